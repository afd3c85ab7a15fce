# The engine may keep a signal from the run: the stop file does not go through it.
trap 'touch "$run/stop"' USR1 TERM
@COMMAND@ "$run" &
wait $!
code=$?
while kill -0 $! 2> /dev/null; do
  wait $!
  code=$?
done
exit $code
