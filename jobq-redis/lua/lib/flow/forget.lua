-- In queues with flow control more hangs on jobs: whom they waited for.
do
  local forget_itself = forget
  forget = function(ids)
    forget_itself(ids)
    if redis.call("EXISTS", KEYS[45]) == 1 then
      kin.forget_parents(ids)
    end
  end
end
