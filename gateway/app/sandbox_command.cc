// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/sandbox_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/net/tls_server.h"
#include "gateway/app/command_line.h"
#include "gateway/app/io_thread.h"
#include "gateway/app/signals.h"
#include "gateway/sandbox/sandbox.h"

namespace gateway::app {
namespace {

constexpr std::chrono::seconds kStopDeadline{5};
constexpr std::size_t kBytesPerEventKept = 4096;

struct SandboxArguments {
  std::string listen = "127.0.0.1:9090";
  std::string tls_certificate;
  std::string tls_key;
  std::size_t max_events_kept = 100'000;
  std::uint64_t seed = 1;
  bool discard = false;
  bool strict_write_keys = false;
  std::vector<std::string> write_keys;
};

int Fail(int status, const std::string& message) {
  fmt::print(stderr, "segment-gateway sandbox: {}\n", message);
  return status;
}

/// "127.0.0.1:9090", "[::1]:9090", ":9090".
bool ParseListen(const std::string& text, sandbox::SandboxOptions& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  options.address = text.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']')) {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  if (options.address.empty()) options.address = "0.0.0.0";
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, options.port);
  return error == std::errc() && stop == end && begin != end;
}

int RunSandbox(const SandboxArguments& arguments) {
  sandbox::SandboxOptions options{.address = {},
                                  .port = 0,
                                  .max_events_kept = arguments.max_events_kept,
                                  .max_bytes_kept = arguments.max_events_kept * kBytesPerEventKept,
                                  .seed = arguments.seed,
                                  .discard = arguments.discard,
                                  .strict_write_keys = arguments.strict_write_keys,
                                  .write_keys = arguments.write_keys};
  if (!ParseListen(arguments.listen, options)) {
    return Fail(kExitUsage, fmt::format("--listen {}: write address:port, such as 127.0.0.1:9090",
                                        arguments.listen));
  }
  const common::SystemClock clock;
  std::unique_ptr<common::net::ServerCertificate> tls;
  if (!arguments.tls_certificate.empty()) {
    auto loaded =
        common::net::ServerCertificate::Load(arguments.tls_certificate, arguments.tls_key, clock);
    if (!loaded) return Fail(kExitUsage, loaded.error().message);
    tls = std::move(*loaded);
  }
  IoThread io("sandbox");
  Signals signals(io.context());
  auto created = sandbox::Sandbox::Create({&io.context()}, options, clock, tls.get());
  if (!created) return Fail(kExitFailure, created.error().message);
  const std::unique_ptr<sandbox::Sandbox> sandbox = std::move(*created);
  sandbox->Start();
  io.Start();
  common::log::Info(
      "listening",
      fmt::format("sandbox listens on {}://{}:{}; GET /sandbox/ explains it",
                  tls == nullptr ? "http" : "https", options.address, sandbox->port()),
      {{"listener", "sandbox"}, {"address", options.address}, {"port", sandbox->port()}});
  signals.WaitForStop();
  auto empty = std::make_shared<std::promise<void>>();
  auto stopped = empty->get_future();
  sandbox->Stop([empty] { empty->set_value(); });
  if (stopped.wait_for(kStopDeadline) != std::future_status::ready) sandbox->Abort();
  io.Stop();
  return kExitOk;
}

}  // namespace

void AddSandboxCommand(CLI::App& app, int& status) {
  auto arguments = std::make_shared<SandboxArguments>();
  CLI::App* command = app.add_subcommand(
      "sandbox",
      "Run a stand-in for Segment's Tracking API that checks and lists what it receives, and\n"
      "misbehaves on command. For tests only: it shows write keys and asks for no password.\n"
      "GET /sandbox/ lists what it can do; docs/sandbox.md has examples.");
  command->add_option("--listen", arguments->listen, "Address and port; port 0 is any free one")
      ->capture_default_str();
  CLI::Option* certificate = command->add_option("--tls-certificate", arguments->tls_certificate,
                                                 "PEM file: speak HTTPS with this chain");
  CLI::Option* key =
      command->add_option("--tls-key", arguments->tls_key, "PEM file: its private key");
  certificate->needs(key);
  key->needs(certificate);
  command
      ->add_option("--max-events", arguments->max_events_kept,
                   "Events kept for /sandbox/events; older ones go, counters stay")
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "Of the dice that fault rules throw")
      ->capture_default_str();
  command->add_flag("--discard", arguments->discard,
                    "Count events and keep none of them: for benchmarks");
  command->add_flag("--strict-write-keys", arguments->strict_write_keys,
                    "Answer 400 to a write key that is not 32 letters and digits");
  command->add_option("--write-key", arguments->write_keys,
                      "A source that exists; others are dropped silently, as Segment does. "
                      "Repeatable; without it every well-formed key exists");
  command->callback([arguments, &status] { status = RunSandbox(*arguments); });
}

}  // namespace gateway::app
