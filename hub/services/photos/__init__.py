"""Photos: made into what cameras take, for the register of people and for searches."""
