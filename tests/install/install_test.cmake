# Installs the build tree into an empty prefix, then builds and runs consumer.cc and the example of docs/ against it
# twice: with find_package and with pkg-config. The headers of every room are compiled on the way, for a header set that
# is incomplete shows only here.
# -D BUILD_DIR, SOURCE_DIR (this one), WORK_DIR, GENERATOR, CXX, CXX_FLAGS, LIBDIR, CONFIG
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
set(prefix ${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
foreach(tool rmq-dump rmq-store rmq-verify)
  run(${prefix}/bin/${tool} --version)
  foreach(path man/man1/${tool}.1 bash-completion/completions/${tool} zsh/site-functions/_${tool}
               doc/rmqstore/docs/tools/${tool}.md)
    if(NOT EXISTS ${prefix}/share/${path})
      message(FATAL_ERROR "share/${path} is not installed")
    endif()
  endforeach()
endforeach()

set(example ${SOURCE_DIR}/../../docs/examples/write_and_read.cc)
file(COPY ${SOURCE_DIR}/consumer.cc ${example} DESTINATION ${WORK_DIR}/consumer)
configure_file(${SOURCE_DIR}/consumer_CMakeLists.txt ${WORK_DIR}/consumer/CMakeLists.txt COPYONLY)
run(${CMAKE_COMMAND} -S ${WORK_DIR}/consumer -B ${WORK_DIR}/by_cmake -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_FLAGS=${CXX_FLAGS} -DCMAKE_BUILD_TYPE=${CONFIG})
run(${CMAKE_COMMAND} --build ${WORK_DIR}/by_cmake)
run(${WORK_DIR}/by_cmake/consumer)
run(${WORK_DIR}/by_cmake/write_and_read ${WORK_DIR}/store)
run(${prefix}/bin/rmq-verify ${WORK_DIR}/store)

# Every installed header compiles on its own.
file(GLOB_RECURSE headers RELATIVE ${prefix}/include/rmqstore ${prefix}/include/rmqstore/*.h)
list(LENGTH headers count)
if(count LESS 20)
  message(FATAL_ERROR "only ${count} headers installed")
endif()
set(all "")
foreach(header ${headers})
  string(APPEND all "#include \"${header}\"\n")
endforeach()
file(WRITE ${WORK_DIR}/all_headers.cc "${all}")

set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
execute_process(COMMAND pkg-config --cflags --libs rmqstore OUTPUT_VARIABLE flags RESULT_VARIABLE result
                OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "pkg-config does not know rmqstore")
endif()
separate_arguments(flags UNIX_COMMAND "${flags}")
separate_arguments(cxx_flags UNIX_COMMAND "${CXX_FLAGS}")
run(${CXX} -std=c++20 ${cxx_flags} ${SOURCE_DIR}/consumer.cc -o ${WORK_DIR}/by_pkg_config ${flags})
run(${WORK_DIR}/by_pkg_config)
run(${CXX} -std=c++20 ${cxx_flags} ${example} -o ${WORK_DIR}/example_by_pkg_config ${flags})
run(${WORK_DIR}/example_by_pkg_config ${WORK_DIR}/store)
run(${CXX} -std=c++20 ${cxx_flags} -fsyntax-only ${WORK_DIR}/all_headers.cc ${flags})
message("both good")
