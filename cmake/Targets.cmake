# SPDX-License-Identifier: Apache-2.0

# gw_library(NAME SOURCES a.cc b.cc DEPS gw::x third::party)
# One folder, one static library, explicit sources; alias gw::NAME.
function(gw_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(gw_${name} STATIC ${ARG_SOURCES})
    target_link_libraries(gw_${name} PUBLIC gw::options ${ARG_DEPS})
  else()
    add_library(gw_${name} INTERFACE)
    target_link_libraries(gw_${name} INTERFACE gw::options ${ARG_DEPS})
  endif()
  add_library(gw::${name} ALIAS gw_${name})
endfunction()

# gw_test(NAME SOURCES a_test.cc DEPS gw::x) -> binary NAME, ctest NAME, label "unit".
function(gw_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE gw::options ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "${GW_TEST_ENVIRONMENT}")
endfunction()

# gw_fuzzer(NAME SOURCES a_fuzz.cc DEPS gw::x) -> a libFuzzer binary with its corpus in tests/fuzz/corpus/NAME.
function(gw_fuzzer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE gw::options ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

# gw_benchmark(NAME SOURCES a_bench.cc DEPS gw::x) -> a Google Benchmark binary.
function(gw_benchmark name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE gw::options ${ARG_DEPS} benchmark::benchmark_main)
endfunction()
