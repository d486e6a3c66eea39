# SPDX-License-Identifier: Apache-2.0
# The compiler, the language level and the warnings every target is built with.

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR
    "Segment Gateway builds with clang 19 or newer; this is ${CMAKE_CXX_COMPILER_ID} "
    "${CMAKE_CXX_COMPILER_VERSION}. g++ 12 miscompiles common coroutine forms (double "
    "free at run time), so the build refuses it. Use ./dev build, which installs and "
    "selects clang-19.")
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(GW_WARNINGS_AS_ERRORS "Fail the build on any warning" OFF)

add_library(gw_options INTERFACE)
add_library(gw::options ALIAS gw_options)
target_include_directories(gw_options INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(gw_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wnon-virtual-dtor -Wold-style-cast -Wimplicit-fallthrough
  -Woverloaded-virtual -Wnull-dereference -Wthread-safety -Wswitch-enum
  $<$<BOOL:${GW_WARNINGS_AS_ERRORS}>:-Werror>)
target_compile_definitions(gw_options INTERFACE GW_VERSION="${PROJECT_VERSION}")

find_program(GW_LLD NAMES ld.lld-19)
if(GW_LLD)
  add_link_options(--ld-path=${GW_LLD})
endif()
find_program(GW_CCACHE ccache)
if(GW_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${GW_CCACHE}")
endif()
