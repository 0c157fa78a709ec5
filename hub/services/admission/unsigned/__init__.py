"""Cameras that connect without a signature (D12): quarantine, approval, secret addresses."""
