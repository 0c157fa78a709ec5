"""The device protocol, pure: nothing here waits, stores, logs or looks at a clock."""
