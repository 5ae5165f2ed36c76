"""What can go wrong with workers. Each text is one line: what, and where to look."""

EXIT_GAVE_UP = 1


class SupervisorError(Exception):
    """The supervisor cannot begin, or gives up."""

    def __init__(self, text: str, exit_code: int = EXIT_GAVE_UP) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class StartError(SupervisorError):
    """A worker has not come to serve."""


class RestartError(SupervisorError):
    """Workers cannot be replaced now, or one of them was not; those that serve go on."""


class UpgradeError(SupervisorError):
    """The new version cannot take over; the old one goes on."""


class ActivationError(SupervisorError):
    """A socket that the service manager has opened is for nothing."""
