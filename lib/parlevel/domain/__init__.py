"""The maths: numpy, pandas and pyarrow only, so that it runs, and is tested, without Java."""
