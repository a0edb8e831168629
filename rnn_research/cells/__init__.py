"""Cells. `__all__` is the list of cells: a new one is its file and an import here.

`wrappers.__all__` lists the cells that are made of a cell. `gru as gru` hands a name on
to type checkers, which cannot read a list that is derived.
"""

from rnn_research import values
from rnn_research.cells.antisymmetric import antisymmetric as antisymmetric
from rnn_research.cells.atr import atr as atr
from rnn_research.cells.cfc import cfc as cfc
from rnn_research.cells.cfn import cfn as cfn
from rnn_research.cells.clockwork import clockwork as clockwork
from rnn_research.cells.cornn import cornn as cornn
from rnn_research.cells.cornn import unicornn as unicornn
from rnn_research.cells.delta_net import delta_net as delta_net
from rnn_research.cells.delta_net import delta_product as delta_product
from rnn_research.cells.delta_net import gated_delta_net as gated_delta_net
from rnn_research.cells.elman import elman as elman
from rnn_research.cells.elman import irnn as irnn
from rnn_research.cells.elman import np_rnn as np_rnn
from rnn_research.cells.exprnn import dtriv as dtriv
from rnn_research.cells.exprnn import exprnn as exprnn
from rnn_research.cells.fast_rnn import fast_grnn as fast_grnn
from rnn_research.cells.fast_rnn import fast_rnn as fast_rnn
from rnn_research.cells.gilr import gilr as gilr
from rnn_research.cells.gla import gla as gla
from rnn_research.cells.goru import goru as goru
from rnn_research.cells.gru import gru as gru
from rnn_research.cells.hgrn import hgrn as hgrn
from rnn_research.cells.householder import householder as householder
from rnn_research.cells.indrnn import indrnn as indrnn
from rnn_research.cells.janet import janet as janet
from rnn_research.cells.layer_norm_lstm import layer_norm_lstm as layer_norm_lstm
from rnn_research.cells.leaky import leaky as leaky
from rnn_research.cells.lem import lem as lem
from rnn_research.cells.lif import lif as lif
from rnn_research.cells.ligru import ligru as ligru
from rnn_research.cells.linear_attention import linear_attention as linear_attention
from rnn_research.cells.linoss import linoss as linoss
from rnn_research.cells.lipschitz import lipschitz as lipschitz
from rnn_research.cells.lmu import lmu as lmu
from rnn_research.cells.lru import lru as lru
from rnn_research.cells.lstm import lstm as lstm
from rnn_research.cells.lstm_1997 import lstm_1997 as lstm_1997
from rnn_research.cells.mamba2 import mamba2 as mamba2
from rnn_research.cells.mgu import mgu as mgu
from rnn_research.cells.min_gru import min_gru as min_gru
from rnn_research.cells.min_lstm import min_lstm as min_lstm
from rnn_research.cells.minimal_rnn import minimal_rnn as minimal_rnn
from rnn_research.cells.mlstm import mlstm as mlstm
from rnn_research.cells.multiplicative_lstm import (
    multiplicative_lstm as multiplicative_lstm,
)
from rnn_research.cells.nnrnn import nnrnn as nnrnn
from rnn_research.cells.nru import nru as nru
from rnn_research.cells.orthogonal_rnn import linear_orthogonal as linear_orthogonal
from rnn_research.cells.para_rnn import para_gru as para_gru
from rnn_research.cells.para_rnn import para_lstm as para_lstm
from rnn_research.cells.projected_lstm import projected_lstm as projected_lstm
from rnn_research.cells.ran import ran as ran
from rnn_research.cells.retnet import retnet as retnet
from rnn_research.cells.rg_lru import rg_lru as rg_lru
from rnn_research.cells.rhn import rhn as rhn
from rnn_research.cells.rwkv7 import rwkv7 as rwkv7
from rnn_research.cells.s4d import s4d as s4d
from rnn_research.cells.s5 import s5 as s5
from rnn_research.cells.s6 import s6 as s6
from rnn_research.cells.scornn import scornn as scornn
from rnn_research.cells.scrn import scrn as scrn
from rnn_research.cells.slstm import slstm as slstm
from rnn_research.cells.spectral_rnn import spectral_rnn as spectral_rnn
from rnn_research.cells.sru import sru as sru
from rnn_research.cells.star import star as star
from rnn_research.cells.ugrnn import ugrnn as ugrnn
from rnn_research.cells.ur_lstm import ur_lstm as ur_lstm
from rnn_research.cells.urnn import unitary as unitary
from rnn_research.cells.urnn import urnn as urnn

__all__ = values.factories(globals())
