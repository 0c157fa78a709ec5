"""The door or relay of a camera: to switch it, and to set it up (D12)."""
