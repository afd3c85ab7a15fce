exec @COMMAND@ "$run"
