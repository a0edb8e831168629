"""Cells. `__all__` is the list of cells: a new one is its file and an import here.

`wrappers.__all__` lists the cells that are made of a cell.
"""

from rnn_research import values
from rnn_research.cells.antisymmetric import antisymmetric
from rnn_research.cells.atr import atr
from rnn_research.cells.cfc import cfc
from rnn_research.cells.cfn import cfn
from rnn_research.cells.clockwork import clockwork
from rnn_research.cells.cornn import cornn, unicornn
from rnn_research.cells.delta_net import delta_net, delta_product, gated_delta_net
from rnn_research.cells.elman import elman, irnn, np_rnn
from rnn_research.cells.exprnn import dtriv, exprnn
from rnn_research.cells.fast_rnn import fast_grnn, fast_rnn
from rnn_research.cells.gilr import gilr
from rnn_research.cells.gla import gla
from rnn_research.cells.goru import goru
from rnn_research.cells.gru import gru
from rnn_research.cells.hgrn import hgrn
from rnn_research.cells.householder import householder
from rnn_research.cells.indrnn import indrnn
from rnn_research.cells.janet import janet
from rnn_research.cells.layer_norm_lstm import layer_norm_lstm
from rnn_research.cells.leaky import leaky
from rnn_research.cells.lem import lem
from rnn_research.cells.lif import lif
from rnn_research.cells.ligru import ligru
from rnn_research.cells.linear_attention import linear_attention
from rnn_research.cells.linoss import linoss
from rnn_research.cells.lipschitz import lipschitz
from rnn_research.cells.lmu import lmu
from rnn_research.cells.lru import lru
from rnn_research.cells.lstm import lstm
from rnn_research.cells.lstm_1997 import lstm_1997
from rnn_research.cells.mamba2 import mamba2
from rnn_research.cells.mgu import mgu
from rnn_research.cells.min_gru import min_gru
from rnn_research.cells.min_lstm import min_lstm
from rnn_research.cells.minimal_rnn import minimal_rnn
from rnn_research.cells.mlstm import mlstm
from rnn_research.cells.multiplicative_lstm import multiplicative_lstm
from rnn_research.cells.nnrnn import nnrnn
from rnn_research.cells.nru import nru
from rnn_research.cells.orthogonal_rnn import linear_orthogonal
from rnn_research.cells.para_rnn import para_gru, para_lstm
from rnn_research.cells.projected_lstm import projected_lstm
from rnn_research.cells.ran import ran
from rnn_research.cells.retnet import retnet
from rnn_research.cells.rg_lru import rg_lru
from rnn_research.cells.rhn import rhn
from rnn_research.cells.rwkv7 import rwkv7
from rnn_research.cells.s4d import s4d
from rnn_research.cells.s5 import s5
from rnn_research.cells.s6 import s6
from rnn_research.cells.scornn import scornn
from rnn_research.cells.scrn import scrn
from rnn_research.cells.slstm import slstm
from rnn_research.cells.spectral_rnn import spectral_rnn
from rnn_research.cells.sru import sru
from rnn_research.cells.star import star
from rnn_research.cells.ugrnn import ugrnn
from rnn_research.cells.ur_lstm import ur_lstm
from rnn_research.cells.urnn import unitary, urnn

__all__ = values.factories(globals())
