"""One file per format."""

FORMATS = ("codequality", "github", "html", "json", "junit", "markdown", "sarif", "text")
"""The modules here that `render` a whole run. Every command line offers them: none is loaded to know that it does."""
