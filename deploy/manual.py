"""The manual pages and the shells' completions, from what the program says of itself: manual.py PROGRAM DIRECTORY

PROGRAM's --help=json is the table of settings and commands; the --help of a command is read as people read it. The prose is in deploy/man/*.in:
a line @OPTIONS@, @SETTINGS@, @LIMITS@ or one with a command's name there is replaced by such a list.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
POLICIES = HERE.parent / "policies"
COMMANDS = ("run", "doctor", "mcp", "drain")  # those with options of their own
FILES = {"FILE", "PATH", "PATH[=NAME]"}  # arguments that are names of files


def roff(text):
    """Plain text as roff takes it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"(?m)^\.", "\\&.", text)


def read_program(program):
    def said(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True, env={"PATH": os.environ.get("PATH", "")}).stdout

    manual = json.loads(said("--help=json"))
    for command in COMMANDS:
        manual[command] = [(flag, argument or "", help) for flag, argument, help in re.findall(r"(?m)^  --([a-z-]+)(?: ([A-Z]\S*))?  +(.*)$", said(command, "--help"))]
    return manual


def tagged(tag, *lines):
    return "\n".join([".TP", tag, *(roff(line) for line in lines)])


def options(manual):
    return "\n".join(tagged(f".BR \\-\\-{roff(o['flag'])} = \\fIvalue\\fR", o["help"]) + f"\n.br\n{roff(o['environment'])}. " + roff(accepted(o)) for o in manual["options"] if o["flag"])


def accepted(option):
    standard = option["default"]
    return f"{option['accepts']}." + (f" Default: {standard}." if standard else "")


def settings(manual):
    return "\n".join(tagged(f".B {roff(o['environment'])}", f"{o['help']}.") + f"\n.br\n{roff(accepted(o))}" + (f" As an option: \\-\\-{roff(o['flag'])}." if o["flag"] else "")
                     for o in manual["options"])


def of_command(manual, command):
    return "\n".join(tagged(f".BR \\-\\-{roff(flag)}" + (f" \\fI{roff(argument)}\\fR" if argument else ""), help) for flag, argument, help in manual[command])


def limits():
    """Of resources.json: each section's words and its values as shipped."""
    out = []
    for name, section in json.loads((POLICIES / "resources.json").read_text()).items():
        if not isinstance(section, dict) or name == "reasons":
            continue
        values = ", ".join(f"{key} {json.dumps(value)}" for key, value in section.items() if key != "description" and not isinstance(value, (dict, list)))
        out.append(tagged(f".B {roff(name)}", section.get("description", "")) + f"\n.br\n{roff(values)}")
    return "\n".join(out)


def write_page(manual, source, target):
    text = source.read_text()
    parts = {"OPTIONS": options(manual), "SETTINGS": settings(manual), "LIMITS": limits(), **{c.upper(): of_command(manual, c) for c in COMMANDS}}
    for name, part in parts.items():
        text = text.replace(f"@{name}@\n", part + "\n")
    target.write_text(text.replace("@VERSION@", manual["version"]))


def first_clause(text):
    return re.split(r"[;:(]", text)[0].strip()


def bash(manual):
    def words(flags):
        return " ".join(f"--{flag}" for flag in flags)

    choices = "\n".join(f"        --{o['flag']}) words='{o['choices'].replace('|', ' ')}' ;;" for o in manual["options"] if o["flag"] and o["choices"])
    paths = "|".join(f"--{o['flag']}" for o in manual["options"] if o["flag"] and o["accepts"].startswith("a path"))
    served = words([o["flag"] + "=" for o in manual["options"] if o["flag"]])
    parts = {"CHOICES": choices, "PATHS": paths, "OPTIONS": served, "COMMANDS": " ".join(c["name"] for c in manual["commands"]),
             "WORDS": "|".join(c["name"] for c in manual["commands"]), **{c.upper(): words(o[0] for o in manual[c]) for c in COMMANDS}}
    text = (HERE / "completion/penny-sandbox.bash.in").read_text()
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def zsh_option(flag, argument, help, choices, repeated=""):
    quoted = first_clause(help).replace("'", "").replace("[", "(").replace("]", ")")
    action = "" if not argument else f":{argument.lower()}:" + (f"({choices.replace('|', ' ')})" if choices else "_files" if argument in FILES or argument == "path" else "")
    return f"    '{repeated}--{flag}{'=' if argument else ''}[{quoted}]{action}' \\"


def zsh(manual):
    served = [zsh_option(o["flag"], "path" if o["accepts"].startswith("a path") else "value", o["help"], o["choices"]) for o in manual["options"] if o["flag"]]
    text = (HERE / "completion/_penny-sandbox.in").read_text().replace("@OPTIONS@", "\n".join(served))
    text = text.replace("@COMMANDS@", "\n".join(f"    '{c['name']}:{first_clause(c['help'])}'" for c in manual["commands"]))
    for command in COMMANDS:
        lines = [zsh_option(flag, argument, help, "open|standard" if flag == "profile" else None, "*" if flag in ("env", "file") else "") for flag, argument, help in manual[command]]
        text = text.replace(f"@{command.upper()}@", "\n".join(lines))
    return text


def fish(manual):
    def line(condition, flag, argument, help, choices):
        quoted = first_clause(help).replace("'", "")
        takes = "" if not argument else f" -x -a '{choices.replace('|', ' ')}'" if choices else " -r"
        return f"complete -c penny-sandbox -n {condition} -l {flag}{takes} -d '{quoted}'"

    lines = ["# Completion of penny-sandbox for fish.", "complete -c penny-sandbox -f"]
    lines += [f"complete -c penny-sandbox -n __fish_use_subcommand -a {c['name']} -d '{first_clause(c['help'])}'" for c in manual["commands"]]
    serving = "'not __fish_seen_subcommand_from run key'"
    lines += [line(serving, o["flag"], "value", o["help"], o["choices"]) for o in manual["options"] if o["flag"]]
    for command in COMMANDS:
        lines += [line(f"'__fish_seen_subcommand_from {command}'", flag, argument, help, "open standard" if flag == "profile" else None) for flag, argument, help in manual[command]]
    lines.append("complete -c penny-sandbox -n '__fish_seen_subcommand_from run' -F")
    return "\n".join(lines) + "\n"


def main():
    program, directory = sys.argv[1], Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    manual = read_program(program)
    for source in sorted((HERE / "man").glob("*.in")):
        write_page(manual, source, directory / source.stem)
    (directory / "penny-sandbox.bash").write_text(bash(manual))
    (directory / "_penny-sandbox").write_text(zsh(manual))
    (directory / "penny-sandbox.fish").write_text(fish(manual))


if __name__ == "__main__":
    main()
