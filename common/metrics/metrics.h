// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

namespace common::metrics {

/// Every name of the process starts with this.
inline constexpr const char* kPrefix = "segment_gateway_";

using Labels = std::map<std::string, std::string>;

/// The metric `segment_gateway_<name>` with these labels, made when it does not exist.
/// The reference lives as long as the registry; the object behind it is thread-safe.
prometheus::Counter& Counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help, const Labels& labels = {});
prometheus::Gauge& Gauge(prometheus::Registry& registry, const std::string& name,
                         const std::string& help, const Labels& labels = {});
prometheus::Histogram& Histogram(prometheus::Registry& registry, const std::string& name,
                                 const std::string& help, const std::vector<double>& buckets,
                                 const Labels& labels = {});

/// Bucket bounds in seconds for things that take microseconds to seconds (commits, requests).
const std::vector<double>& LatencyBuckets();
/// 1, 2, 5, 10 … up to 10^max_exponent, for counts and sizes.
std::vector<double> CountBuckets(int max_exponent);

}  // namespace common::metrics
