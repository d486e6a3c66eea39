// SPDX-License-Identifier: Apache-2.0
#include "common/net/http_server.h"
