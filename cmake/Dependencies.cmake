# SPDX-License-Identifier: Apache-2.0
# Every third-party library, all from Debian's packages (./dev lists them).
# Targets link to the imported targets here and never to a bare -l flag.

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(RocksDB 7.8 REQUIRED)
find_package(simdjson 3 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(tl-expected REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(jemalloc REQUIRED IMPORTED_TARGET jemalloc)

if(GW_BUILD_TESTS OR NOT DEFINED GW_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(GW_BUILD_BENCH OR NOT DEFINED GW_BUILD_BENCH)
  find_package(benchmark REQUIRED)
endif()
