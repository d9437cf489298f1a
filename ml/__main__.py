"""`python -m ml train | evaluate | export | predict`."""

from ml.commands import run

if __name__ == "__main__":
    run()
