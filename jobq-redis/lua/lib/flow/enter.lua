-- From here to `leave` all is in a function of its own. To make a function takes time in proportion to the
-- names around it that functions use; those outside of this one are found at once. It halves the time of
-- a call that has little to do.
return (function()
