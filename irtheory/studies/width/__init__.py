"""The width study: real networks beside their linearisations, trained on the same trees."""
