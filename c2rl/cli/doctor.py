"""`c2rl doctor`: what works here, and the command that mends what does not."""

import typer

from c2rl.cli.answer import Json, print_json


def doctor(as_json: Json = False) -> None:
    """Tell what works here, and what mends the rest; exit code 1 if what is needed is broken."""
    from c2rl.app.doctor import findings
    from c2rl.app.doctor.examine import examine

    found = list(examine())
    if as_json:
        print_json(findings.as_json(found))
    else:
        typer.echo("\n".join(findings.told(found)))
    if not findings.is_healthy(found):
        raise typer.Exit(1)
