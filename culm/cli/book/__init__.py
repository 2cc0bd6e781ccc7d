"""`culm book`: bookkeeping of tasks as PanDA's pbook does (documentation, 4.1.5)."""
