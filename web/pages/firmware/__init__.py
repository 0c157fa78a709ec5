"""The firmware pages: releases and the campaigns that install them."""
