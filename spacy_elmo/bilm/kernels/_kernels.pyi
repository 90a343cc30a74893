def instruction_sets() -> tuple[str, ...]: ...
def lstm_cell(
    instruction_set: str,
    is_bf16: bool,
    gates: int,
    gates_stride: int,
    cells: int,
    cells_stride: int,
    out: int,
    out_stride: int,
    n_rows: int,
    n_cells: int,
    clip: float,
    /,
) -> None: ...
