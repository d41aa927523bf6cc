"""What opens over the board: the menu, the help, the settings, dialogs and lists."""
