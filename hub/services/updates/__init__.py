"""Updates of the hub: what is offered, checked and tried."""
