// SPDX-License-Identifier: Apache-2.0
#include "common/metrics/metrics.h"

#include <cmath>

namespace common::metrics {

prometheus::Counter& Counter(prometheus::Registry& registry, const std::string& name,
                             const std::string& help, const Labels& labels) {
  return prometheus::BuildCounter().Name(kPrefix + name).Help(help).Register(registry).Add(labels);
}

prometheus::Gauge& Gauge(prometheus::Registry& registry, const std::string& name,
                         const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(kPrefix + name).Help(help).Register(registry).Add(labels);
}

prometheus::Histogram& Histogram(prometheus::Registry& registry, const std::string& name,
                                 const std::string& help, const std::vector<double>& buckets,
                                 const Labels& labels) {
  return prometheus::BuildHistogram()
      .Name(kPrefix + name)
      .Help(help)
      .Register(registry)
      .Add(labels, buckets);
}

const std::vector<double>& LatencyBuckets() {
  static const std::vector<double> kBuckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                            0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                            1,      2.5,     5,      10,    30};
  return kBuckets;
}

std::vector<double> CountBuckets(int max_exponent) {
  std::vector<double> buckets;
  for (int e = 0; e < max_exponent; ++e) {
    for (const double step : {1.0, 2.0, 5.0}) buckets.push_back(step * std::pow(10.0, e));
  }
  buckets.push_back(std::pow(10.0, max_exponent));
  return buckets;
}

}  // namespace common::metrics
