from typing import Any, NoReturn

class AnsibleModule:
    params: dict[str, Any]
    check_mode: bool
    _diff: bool
    def __init__(
        self,
        argument_spec: dict[str, Any],
        supports_check_mode: bool = ...,
        mutually_exclusive: list[tuple[str, ...]] = ...,
        required_one_of: list[tuple[str, ...]] = ...,
        required_if: list[tuple[Any, ...]] = ...,
        required_together: list[tuple[str, ...]] = ...,
        required_by: dict[str, Any] = ...,
    ) -> None: ...
    def exit_json(self, **kwargs: Any) -> NoReturn: ...
    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn: ...
    def warn(self, warning: str) -> None: ...
    def run_command(
        self,
        args: list[str],
        check_rc: bool = ...,
        data: str | bytes | None = ...,
        cwd: str | None = ...,
        environ_update: dict[str, str] | None = ...,
        pass_fds: list[int] | None = ...,
    ) -> tuple[int, str, str]: ...
    def get_bin_path(self, arg: str, required: bool = ..., opt_dirs: list[str] = ...) -> str: ...
