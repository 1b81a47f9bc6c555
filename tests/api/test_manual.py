"""What is made of the table of options: manual pages and completions name every one of them, and the shells take them."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from harness import BUILD, ROOT

PAGES = ("penny-sandbox.1", "penny-sandbox-environment.5", "penny-sandbox-policies.5")
COMMANDS = ("run", "doctor", "mcp")  # those with options of their own


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, "-B", ROOT / "deploy/manual.py", BUILD / "penny-sandbox", directory], check=True)
    return directory


@pytest.fixture(scope="module")
def table():
    return json.loads(subprocess.run([BUILD / "penny-sandbox", "--help=json"], capture_output=True, check=True).stdout)


def flags(table):
    return [f"--{o['flag']}" for o in table["options"] if o["flag"]]


def options_of(command):
    text = subprocess.run([BUILD / "penny-sandbox", command, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"(?m)^  (--[a-z-]+)", text)
    assert found
    return found


def plain(path):
    return path.read_text().replace("\\-", "-").replace("\\e", "\\").replace("\\(aq", "'").replace("\\(ga", "`")


def test_the_pages_name_every_option(made, table):
    commands, settings = plain(made / "penny-sandbox.1"), plain(made / "penny-sandbox-environment.5")
    for option in table["options"]:
        assert f"\n.B {option['environment']}\n" in settings, option["environment"]
        assert option["help"] in settings, option["environment"]
        if option["flag"]:
            assert f"\n.BR --{option['flag']} =" in commands, option["flag"]
        else:
            assert option["environment"] in commands
    for command in COMMANDS:
        for flag in options_of(command):
            assert f"\n.BR {flag}" in commands, (command, flag)
    assert {c["name"] for c in table["commands"]} == set(re.findall(r"(?m)^\.SH penny-sandbox (\w+)$", commands))


def test_the_policies_page_has_every_section(made):
    page = plain(made / "penny-sandbox-policies.5")
    for name, section in json.loads((ROOT / "policies/resources.json").read_text()).items():
        if isinstance(section, dict) and name != "reasons":
            assert f"\n.B {name}\n" in page
    for path in (ROOT / "policies").glob("*.json"):
        assert f".B {path.name}\n" in page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed(made, name):
    text = (made / name).read_text()
    assert text.startswith(".TH ") and ".SH NAME\n" in text and not re.search(r"@(?!CONF@|LIB@|SHARE@|BIN@)[A-Z]+@", text)
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", made / name], capture_output=True, text=True)
    assert done.returncode == 0 and not [line for line in done.stderr.splitlines() if "can't break line" not in line and "cannot break line" not in line], done.stderr


def complete_in_bash(script, words):
    code = f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _penny_sandbox; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


def test_bash_completes_every_option(made, table):
    script = made / "penny-sandbox.bash"
    assert set(complete_in_bash(script, ["penny-sandbox", "--"])) == {f"{flag}=" for flag in flags(table)} | {"--help", "--version"}
    assert set(complete_in_bash(script, ["penny-sandbox", "''"])) >= {c["name"] for c in table["commands"]}
    assert set(complete_in_bash(script, ["penny-sandbox", "run", "--"])) == {*options_of("run"), "--help"}
    assert set(complete_in_bash(script, ["penny-sandbox", "doctor", "--"])) == {f"{flag}=" for flag in flags(table)} | {*options_of("doctor"), "--help", "--version"}
    assert set(complete_in_bash(script, ["penny-sandbox", "mcp", "--"])) >= set(options_of("mcp"))
    assert complete_in_bash(script, ["penny-sandbox", "run", "--profile", "o"]) == ["open"]
    assert complete_in_bash(script, ["penny-sandbox", "--require-isolation", "=", "n"]) == ["none", "namespace"]
    assert complete_in_bash(script, ["penny-sandbox", "--po"]) == ["--port=", "--policy-dir=", "--pool-size="]


def test_zsh_and_fish_know_every_option(made, table):
    zsh, fish = (made / "_penny-sandbox").read_text(), (made / "penny-sandbox.fish").read_text()
    for flag in flags(table):
        assert f"'{flag}=[" in zsh, flag
        assert re.search(rf" -l {flag[2:]} ", fish), flag
    for command in COMMANDS:
        for flag in options_of(command):
            assert re.search(rf"'\*?{flag}=?\[", zsh) and re.search(rf"seen_subcommand_from {command}' -l {flag[2:]} ", fish), (command, flag)
    for command in table["commands"]:
        assert f"'{command['name']}:" in zsh and f" -a {command['name']} " in fish


@pytest.mark.parametrize("shell,name", [("zsh", "_penny-sandbox"), ("fish", "penny-sandbox.fish")])
def test_the_shell_reads_it(made, shell, name):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n", made / name], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done


def test_fish_completes(made, table):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    done = subprocess.run(["fish", "-N", "-c", f"source {made}/penny-sandbox.fish; complete -C 'penny-sandbox --'"], capture_output=True, text=True)
    assert {line.split("\t")[0].rstrip("=") for line in done.stdout.splitlines()} >= set(flags(table)), done
