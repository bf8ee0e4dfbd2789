"""A recorded training step as matrix products with masks and dependencies."""

from simulator.workload.lowering import lower
from simulator.workload.product import After, Epilogue, OperandMask, Phase, Product, Structure, Workload
from simulator.workload.shares import dealt

__all__ = ["After", "Epilogue", "OperandMask", "Phase", "Product", "Structure", "Workload", "dealt", "lower"]
