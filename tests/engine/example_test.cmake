# Runs the example on a new store, then on the one that is there. -D EXAMPLE, STORE
file(REMOVE_RECURSE ${STORE})
foreach(first_offset 0 3)
  execute_process(COMMAND ${EXAMPLE} ${STORE} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0 OR NOT output MATCHES "put: queue offset ${first_offset}," OR
     NOT output MATCHES "found by key: two teas")
    message(FATAL_ERROR "${output}")
  endif()
endforeach()
file(REMOVE_RECURSE ${STORE})
