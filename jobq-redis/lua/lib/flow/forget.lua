-- In queues with flow control more hangs on jobs: whom they waited for.
do
  local forget_itself = forget
  forget = function(ids)
    forget_itself(ids)
    kin.forget_parents(ids)
  end
end
