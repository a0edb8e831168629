"""Models as files: the same model and weights come back, or one line says why."""

import hashlib
import json
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from rnn_research import cells, errors, layers, models, texts
from rnn_research.cells import initializers, wrappers
from rnn_research.layers import architectures
from rnn_research.models import named


def small(body=None, **changes):
    body = layers.stack(cells.gru(3), layers.linear(2)) if body is None else body
    sizes = {"input_size": 4, "output_size": 4, "head": "step"} | changes
    return models.model(body, **sizes)


def with_params(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    rng = np.random.default_rng(0)

    def draw(leaf):
        drawn = rng.standard_normal((*leaf.shape, 2)).view(complex)[..., 0]
        is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
        return (drawn if is_complex else drawn.real).astype(leaf.dtype)

    return model, jax.tree.map(draw, shapes)


@layers.layer
def of_kinds():
    """A layer with a parameter of each kind, in a dict."""
    kinds = "float64", "float32", "float16", "bfloat16", "complex64", "complex128"

    def init(key, input_size):
        return {kind: jnp.zeros((2, input_size), kind) for kind in kinds} | {
            "one": jnp.zeros(()),
            "none": jnp.zeros((0, 3)),
        }

    def apply(params, x, context, call):
        return layers.Applied(x + params["one"], context, ())

    return layers.Layer(init=init, apply=apply)


def test_every_bit_comes_back(tmp_path):
    body = layers.stack(cells.lstm(3), of_kinds(), layers.linear(2))
    model, params = with_params(small(body, tokens=True, embedding_size=3))
    notes = {"alphabet": "abc", "rate": [1, 2.5, None]}
    models.save(tmp_path / "a" / "b", model, params, notes=notes)
    found = models.load(tmp_path / "a" / "b", allow=("test_saved",))
    assert found.model == model and found.notes == notes
    assert jax.tree.structure(found.params) == jax.tree.structure(params)
    for one, other in zip(*map(jax.tree.leaves, (found.params, params)), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_half_the_bytes_are_the_nearest_numbers(tmp_path):
    model, params = with_params(small(layers.stack(cells.gru(3), of_kinds())))
    models.save(tmp_path, model, params, rounded="float16")
    (path,) = tmp_path.glob("*.safetensors")
    assert {leaf.dtype for leaf in load_file(path).values()} == {np.dtype("float16")}
    found = models.load(tmp_path, allow=("test_saved",)).params
    for one, other in zip(*map(jax.tree.leaves, (found, params)), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        parts = [[np.real(leaf), np.imag(leaf)] for leaf in (one, other)]
        read, given = (np.array(each, np.float64) for each in parts)
        np.testing.assert_array_equal(read, given.astype(np.float16))
    config = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    config["rounded"] = "float8"
    (tmp_path / "model.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(errors.UsageError, match="damaged"):
        models.load(tmp_path, allow=("test_saved",))
    head = params.head._replace(b=params.head.b + 1e5)
    large = params._replace(head=head)
    with pytest.raises(errors.UsageError, match="too large for float16"):
        models.save(tmp_path / "large", model, large, rounded="float16")
    assert not (tmp_path / "large").exists()


def test_others_read_the_weights_by_name(tmp_path):
    model, params = with_params(small())
    models.save(tmp_path, model, params)
    (path,) = tmp_path.glob("*.safetensors")
    found = load_file(path)
    assert set(found) == {"head.W", "head.b", "body.1.W", "body.1.b"} | {
        f"body.0.{name}"
        for name, leaf in params.body[0]._asdict().items()
        if leaf is not None
    }
    np.testing.assert_array_equal(found["body.1.W"], params.body[1].W)
    assert json.loads((tmp_path / "model.json").read_text())["model"] == (
        named.text_of(model)
    )


def test_a_save_takes_the_place_of_another_at_the_very_end(tmp_path, monkeypatch):
    model, params = with_params(small())
    other = jax.tree.map(lambda leaf: 2 * leaf, params)
    models.save(tmp_path, model, params)
    with monkeypatch.context() as patch:

        def full(path, content):
            raise errors.RunError("no room")

        patch.setattr(models.saved.files, "write_json", full)
        with pytest.raises(errors.RunError, match="no room"):
            models.save(tmp_path, model, other)
    kept = models.load(tmp_path).params
    jax.tree.map(np.testing.assert_array_equal, kept, params)
    models.save(tmp_path, model, other)
    now = models.load(tmp_path).params
    jax.tree.map(np.testing.assert_array_equal, now, other)
    assert len(list(tmp_path.iterdir())) == 2


BODIES = [
    cells.gru(8, reset="before"),
    cells.clockwork(8, periods=(1, 2)),
    cells.lru(8, eigenvalues=initializers.ring(r_min=0.5)),
    wrappers.zoneout(wrappers.residual(cells.elman(8)), rate=0.2),
    layers.residual(layers.bidirectional(cells.gru(2), cells.lstm(2))),
    architectures.transformer(8, heads=2, rotary_base=None),
    architectures.lstm_attention(8),
]


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_text_makes_the_value_again(body):
    text = named.text_of(small(body))
    texts.check_read(text, ())
    assert named.resolve_model(text) == small(body)


def test_every_name_makes_the_value_again():
    needed = {"forced": {"gate": "z"}}  # what has no default
    for module in (cells, architectures, wrappers):
        for name in module.__all__:
            given = cells.gru(8) if module is wrappers else 8
            value = getattr(module, name)(given, **needed.get(name, {}))
            text = named.text_of(value)
            found = texts.resolve(
                text, "value", named.PARTS, returns=type(value), inside=(initializers,)
            )
            assert found == value, text


def test_what_has_no_text_is_named():
    unnamed = layers.Layer(init=lambda key, size: (), apply=lambda p, x, c, call: x)
    replaced = cells.gru(3).replace(groups=None)

    @layers.layer
    def inner():
        return layers.linear(3)

    @layers.layer
    def given(function):
        return layers.linear(3)

    for body, match in (
        (unnamed, "without a decorator"),
        (layers.stack(replaced), "gru cannot be written as a text: its groups was"),
        (layers.stack(inner()), "inner cannot be .*; define it at the top of a file"),
        (given(len), "function=<built-in function len> is no number, text or value"),
    ):
        with pytest.raises(errors.UsageError, match=match):
            named.text_of(body)


def test_what_does_not_fit_is_refused_in_one_line(tmp_path):
    model, params = with_params(small())

    def complains(match, edit=lambda config: config, folder=tmp_path / "m", allow=()):
        models.save(tmp_path / "m", model, params)
        path = tmp_path / "m" / "model.json"
        path.write_text(json.dumps(edit(json.loads(path.read_text()))))
        with pytest.raises(errors.UsageError, match=match) as raised:
            models.load(folder, allow=allow)
        assert "\n" not in str(raised.value)

    def weights_cut_to(count):
        def edit(config):
            (path,) = (tmp_path / "m").glob("*.safetensors")
            content = path.read_bytes()[:count]
            digest = hashlib.sha256(content).hexdigest()
            path.with_name(f"weights-{digest[:12]}.safetensors").write_bytes(content)
            return config | {"sha256": digest}

        return edit

    def model_as(pattern, text):
        return lambda config: config | {"model": re.sub(pattern, text, config["model"])}

    complains("there is no model.json in it", folder=tmp_path / "none")
    complains("has the format 2, and this version reads 1", lambda c: c | {"format": 2})
    complains("it must hold a model, a sha256", lambda c: c | {"sha256": "../../etc"})
    complains("it must hold a model, a sha256", lambda c: c | {"notes": 3})
    complains("cannot be read: No such file", lambda c: c | {"sha256": "0" * 64})
    complains("did you mean gru", model_as(r"gru\(", "gruu("))
    complains("body.0.W_h must be float64.* not ", model_as(r"gru\(3", "gru(4"))
    complains("it has no parameter body.1.W", model_as(r"linear\(2\)", "layer_norm()"))
    outside = "is code outside this library"
    complains(outside, model_as(r"linear\(", "my_layers:linear("))
    complains(outside, model_as(r"linear\(", "rnn_research/../my_layers.py:linear("))
    complains(outside, model_as(r"linear\(", "rnn_research.py:linear("))
    complains(
        "os is a module of Python's own",
        model_as(r"linear\(2", "os:system('ls'"),
        allow=("os",),
    )
    complains("returns gru.*, not a model", lambda c: c | {"model": "gru(3)"})
    complains("cannot read ", lambda c: c | {"model": "__import__('os').system('ls')"})

    models.save(tmp_path / "m", model, params)
    (path,) = (tmp_path / "m").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(errors.UsageError, match="damaged.*sha256 differs"):
        models.load(tmp_path / "m")
    for cut in (0, 12, -8):
        complains("holds no arrays that are known", weights_cut_to(cut))
    (tmp_path / "m" / "model.json").write_text("{")
    with pytest.raises(errors.UsageError, match="model.json is damaged"):
        models.load(tmp_path / "m")


def test_what_cannot_be_saved_writes_nothing(tmp_path):
    model, params = with_params(small())
    wide = params._replace(head=params.head._replace(b=np.zeros(5)))
    single = jax.tree.map(np.float32, params)
    for given, notes, match in (
        (wide, None, r"head.b must be float64\[4\], not float64\[5\]"),
        (params.body, None, "do not fit the model"),
        (single, None, "not float32.*; set --precision as it was"),
        (params, {"a": float("nan")}, "notes are no JSON"),
        (params, {"a": object()}, "notes are no JSON"),
    ):
        with pytest.raises(errors.UsageError, match=match):
            models.save(tmp_path / "m", model, given, notes=notes)
    assert not (tmp_path / "m").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.RunError, match="cannot be made: "):
        models.save(tmp_path / "file", model, params)


@pytest.mark.slow
def test_the_page_on_models(tmp_path, monkeypatch):
    page = pathlib.Path(__file__).parent.parent / "docs" / "models.md"
    examples = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    space = {}
    exec("\n".join(examples), space)
    assert space["logits"].shape == (50, 8, 27)
    assert space["made"].tokens.shape == space["more"].log_p.shape == (40, 1)
    assert space["notes"] == {"alphabet": "abc"}
