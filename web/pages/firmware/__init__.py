"""The pages of firmware: releases, and the campaigns that give them to cameras."""
