"""A zoo of wrong backward passes: operations with the mistakes people make in them, and what a checker should say."""
