"""What models see: the design matrix, covariate channels, statistics, series profiles and SKU groups."""
