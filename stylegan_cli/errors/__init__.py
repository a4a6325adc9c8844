"""The one exception tree: every failure a user can meet, and the exit code it ends with."""


class InfluError(Exception):
    """Something the user can act on: the message says what happened and what to do next."""

    exit_code = 1  # nothing could be done


class UsageError(InfluError):
    """The call itself is wrong: an option, a name, a combination."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration value is out of range or unknown."""


class DeviceError(UsageError):
    """The device asked for is not there."""


class StyleNotFoundError(UsageError):
    """No style or model of that name can be found."""


class OutputExistsError(UsageError):
    """The output is already there and nobody said it may be overwritten."""


class BusyError(InfluError):
    """Another process of influ is at work on the same result."""


class WriteError(InfluError):
    """A file can't be written: no room, no permission, a name that something else has."""


class PictureError(InfluError):
    """A picture can't be read or written."""


class ClipError(InfluError):
    """A clip can't be read or written."""


class MissingPackageError(InfluError):
    """A package that only learning needs is not installed."""


class DataError(InfluError):
    """A folder of pictures can't be used for what was asked."""


class StyleFileError(InfluError):
    """A style or model file is broken, unknown or does not fit its base."""


class TrainingError(InfluError):
    """Training can't start or go on."""


class PartialFailureError(InfluError):
    """Some of a batch failed; the rest is done."""

    exit_code = 3


class InterruptedByUserError(InfluError):
    """Ctrl-C or SIGTERM: what could be saved is saved."""

    exit_code = 130
