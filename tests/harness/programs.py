"""Programs that several tests run, and what must be true of a session afterwards."""


def until_interrupted(statement):
    """A program that does this, waits until a second request interrupts it (at whatever point), and goes on: what it did was seen before."""
    return f"import time\ntry:\n    {statement}\n    while True: time.sleep(0.01)\nexcept KeyboardInterrupt:\n    pass\n"


def assert_state_is_true(client, session, result, name, value):
    """What `state` claims is what the next cell finds: `name` was set to `value` by the session's first cell."""
    found = client.stdout(f"print(globals().get({name!r}))", session)
    if result["state"] == "lost":
        assert found == "None\n", result
    elif result["state"] == "kept":
        assert found == f"{value}\n", result
    else:
        assert result["state"] == "rolledBack" and isinstance(result["restoredTo"], int), result
        assert found == (f"{value}\n" if result["restoredTo"] >= 1 else "None\n"), result
