"""What keeps the project itself true: documentation made from the code, the packages of the real peers."""
