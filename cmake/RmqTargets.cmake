# What every target of ours has in common, and one function for each kind of target.

# Warnings and sanitizers: for our own targets only, never exported.
add_library(rmq_options INTERFACE)
target_compile_options(rmq_options INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion
                       -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
                       $<$<BOOL:${RMQ_WERROR}>:-Werror>)
if(RMQ_SANITIZE)
  target_compile_options(rmq_options INTERFACE -fsanitize=${RMQ_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(rmq_options INTERFACE -fsanitize=${RMQ_SANITIZE})
endif()

# Headers of others that nearly every source includes, compiled once: for rooms (position independent), and for
# tests. Sources still include what they use, and build without this.
if(RMQ_PRECOMPILE)
  set(headers <boost/system/result.hpp> <fmt/format.h> <algorithm> <array> <atomic> <charconv> <chrono>
              <cstddef> <cstdint> <cstring> <deque> <functional> <iterator> <limits> <map> <memory> <mutex>
              <optional> <set> <span> <string> <string_view> <tuple> <unordered_map> <utility> <vector>)
  foreach(kind room test)
    add_library(rmq_${kind}_headers OBJECT ${CMAKE_CURRENT_LIST_DIR}/empty.cc)
    target_link_libraries(rmq_${kind}_headers PRIVATE rmq_options fmt::fmt)
    target_compile_features(rmq_${kind}_headers PRIVATE cxx_std_20)
    # Without the time in it the same headers are the same bytes, whenever and wherever they were compiled (ccache).
    target_compile_options(rmq_${kind}_headers PRIVATE $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
    target_precompile_headers(rmq_${kind}_headers PRIVATE ${headers})
  endforeach()
  set_target_properties(rmq_room_headers PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(RMQ_BUILD_TESTS)
    target_link_libraries(rmq_test_headers PRIVATE GTest::gmock)
    target_precompile_headers(rmq_test_headers PRIVATE <gmock/gmock.h>)
  endif()
endif()
function(rmq_precompile target kind)
  if(RMQ_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM rmq_${kind}_headers)
    target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>)
  endif()
endfunction()

# rmq_room(NAME SOURCES a.cc ... HEADERS a.h ... USES room ... LINKS lib ...): one folder of libstore or servers, one library.
# USES is the dependency graph; tests/tidy checks the includes against it. libstore's rooms are installed, servers' are not.
function(rmq_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HEADERS;USES;LINKS;PRIVATE_LINKS" ${ARGN})
  if(ARG_SOURCES)
    add_library(rmq_${name} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(rmq_${name} PRIVATE $<BUILD_INTERFACE:rmq_options> ${ARG_PRIVATE_LINKS})
    rmq_precompile(rmq_${name} room)
  else()
    add_library(rmq_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(rmq::${name} ALIAS rmq_${name})
  set_target_properties(rmq_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_compile_features(rmq_${name} ${scope} cxx_std_20)
  target_sources(rmq_${name} ${scope} FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${ARG_HEADERS})
  foreach(room ${ARG_USES})
    target_link_libraries(rmq_${name} ${scope} rmq_${room})
  endforeach()
  target_link_libraries(rmq_${name} ${scope} ${ARG_LINKS})
  cmake_path(GET CMAKE_CURRENT_SOURCE_DIR PARENT_PATH floor)
  if(floor STREQUAL "${PROJECT_SOURCE_DIR}/libstore")
    set_property(GLOBAL APPEND PROPERTY RMQ_ROOMS ${name})
  endif()
endfunction()

# Builds what `ctest -L threads` runs, and no more: all that is built with the thread sanitizer.
add_custom_target(thread_tests)

# rmq_test(NAME LABEL unit USES room ... SOURCES a_test.cc ...): a GoogleTest binary registered as one ctest.
function(rmq_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABEL;SOURCES;USES;ARGS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  foreach(room ${ARG_USES})
    target_link_libraries(${name} PRIVATE rmq_${room})
  endforeach()
  target_link_libraries(${name} PRIVATE rmq_options rmq_test_paths GTest::gmock_main)
  rmq_precompile(${name} test)
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}")
  if("threads" IN_LIST ARG_LABEL)
    add_dependencies(thread_tests ${name})
  endif()
  if(ARG_TIMEOUT)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
  endif()
endfunction()

# All fuzz targets.
add_custom_target(fuzzers)

# rmq_fuzzer(STEM USES room ...): fuzz/STEM_fuzz.cc; replays fuzz/corpus/STEM and fuzz/regressions/STEM under
# ctest everywhere, and is a libFuzzer binary in the asan and fuzz presets.
function(rmq_fuzzer stem)
  cmake_parse_arguments(ARG "" "" "USES" ${ARGN})
  add_executable(${stem}_fuzz ${stem}_fuzz.cc)
  add_dependencies(fuzzers ${stem}_fuzz)
  foreach(room ${ARG_USES})
    target_link_libraries(${stem}_fuzz PRIVATE rmq_${room})
  endforeach()
  target_link_libraries(${stem}_fuzz PRIVATE rmq_options)
  set(inputs ${PROJECT_SOURCE_DIR}/fuzz/corpus/${stem})
  if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/fuzz/regressions/${stem})
    list(APPEND inputs ${PROJECT_SOURCE_DIR}/fuzz/regressions/${stem})
  endif()
  if(RMQ_LIBFUZZER)
    target_link_options(${stem}_fuzz PRIVATE -fsanitize=fuzzer)
    list(APPEND inputs -runs=0)  # what is there already, and nothing new
  else()
    target_sources(${stem}_fuzz PRIVATE ${PROJECT_SOURCE_DIR}/fuzz/replay_main.cc)
  endif()
  add_test(NAME fuzz_${stem} COMMAND ${stem}_fuzz ${inputs})
  set_tests_properties(fuzz_${stem} PROPERTIES LABELS fuzz-replay)
endfunction()
