"""The figures of the talk "Perception: the next milestone in learned image compression", each remade by one command."""
