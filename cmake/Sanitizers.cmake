# SPDX-License-Identifier: Apache-2.0
# GW_SANITIZE: empty, "address" (ASan + UBSan + leaks) or "thread" (TSan).

set(GW_SANITIZE "" CACHE STRING "address, thread or empty")
if(GW_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(GW_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(GW_SANITIZE)
  message(FATAL_ERROR "GW_SANITIZE must be empty, 'address' or 'thread', not '${GW_SANITIZE}'")
endif()
