"""`ira recover`: when are attributes recovered? Methods × regimes × seeds on drawn worlds."""
