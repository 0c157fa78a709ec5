"""The pages that turn one camera: holding a button, presets and patrols (D12)."""
