// SPDX-License-Identifier: Apache-2.0
#include "gateway/app/application.h"

#include <fmt/format.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics/metrics.h"
#include "common/net/http_server.h"
#include "common/net/tls_server.h"
#include "common/random.h"
#include "common/thread.h"
#include "gateway/app/backup_service.h"
#include "gateway/app/component_options.h"
#include "gateway/app/control_socket.h"
#include "gateway/app/descriptors.h"
#include "gateway/app/hold_service.h"
#include "gateway/app/io_thread.h"
#include "gateway/app/signals.h"
#include "gateway/control/tenant_snapshot.h"
#include "gateway/deliver/https_transport.h"
#include "gateway/deliver/pump.h"
#include "gateway/ingest/admission.h"
#include "gateway/ingest/ingest_service.h"
#include "gateway/observe/admin_service.h"
#include "gateway/observe/certificate_watch.h"
#include "gateway/observe/health.h"
#include "gateway/observe/ledger.h"
#include "gateway/observe/memory_watch.h"
#include "gateway/observe/storage_watch.h"
#include "gateway/queue/rocks_queue.h"

namespace gateway::app {
namespace {

using common::Status;
using Deadline = std::chrono::steady_clock::time_point;

constexpr std::chrono::milliseconds kHousekeepingInterval{500};
// Of housekeeping: a certificate is looked at every five seconds.
constexpr std::uint64_t kCertificateChecks = 10;
// What was accepted within a minute of a crash is not missed if the end of the log file is lost
// too.
constexpr std::uint64_t kTailSaves = 120;
// After the deadline: for sockets that were closed by force to go.
constexpr std::chrono::seconds kAbortGrace{2};
// Of operators and their cron jobs.
constexpr ControlLimits kControlLimits{.connections = 8,
                                       .request_bytes = 64 * 1024,
                                       .request_timeout = std::chrono::seconds(5),
                                       .write_timeout = std::chrono::seconds(10)};
// Of looks at the store: half an hour reads some 200 GB.
constexpr std::chrono::minutes kLongestHold{30};
constexpr std::size_t kHoldsAtOnce = 4;
// For the last commit and the closing of the store.
constexpr unsigned kCloseSeconds = 60;
// After everything is closed.
constexpr unsigned kExitSeconds = 2;

std::size_t IngestThreads(const config::Ingest& ingest) {
  if (ingest.threads != 0) return ingest.threads;
  return std::max(1U, std::thread::hardware_concurrency());
}

void LogListening(const std::string& listener, const config::ListenAddress& address,
                  std::uint16_t port) {
  common::log::Info("listening", fmt::format("{} listens on {}:{}", listener, address.host, port),
                    {{"listener", listener}, {"address", address.host}, {"port", port}});
}

}  // namespace

/// The composition root: every object of the gateway in the order in which they need each
/// other. Threads: "admin" (admin listener, signals, housekeeping), "ingest-N" (client
/// connections), "committer" and "reader" (the queue's; they block on the disk), "delivery"
/// (scheduler and connections to Segment), "backup" while one is made, "hold" while somebody
/// looks at the store, and the main thread,
/// which starts and stops.
class Application {
 public:
  explicit Application(const config::Config& config)
      : config_(config), housekeeping_(admin_.context()) {}
  ~Application() { StopThreads(); }

  int Run() {
    if (Status started = Start(); !started) {
      if (started.error().code == common::ErrorCode::kCancelled) return 0;
      common::log::Error("start_failed", started.error().message);
      return 1;
    }
    signals_->WaitForStop();
    Stop();
    const int status = failed_.load() ? 1 : 0;
    ExitAtTheLatestIn(kExitSeconds, status);
    return status;
  }

 private:
  Status Start() {
    const auto clients = ClientConnections(RaiseDescriptorLimit(), config_.ingest.max_connections,
                                           config_.delivery.max_connections);
    if (!clients) return tl::unexpected(clients.error());
    client_connections_ = *clients;
    if (client_connections_ < config_.ingest.max_connections) {
      common::log::Warning(
          "few_descriptors",
          "the limit of open files leaves fewer client connections than "
          "ingest.max_connections",
          {{"connections", client_connections_}, {"configured", config_.ingest.max_connections}});
    }
    signals_.emplace(admin_.context());
    // The admin listener comes first: a queue that takes its time to open is alive, and
    // not ready.
    if (Status s = StartAdmin(); !s) return s;
    if (Status s = OpenQueue(); !s) return s;
    if (Status s = BuildTenants(); !s) return s;
    if (Status s = BuildDelivery(); !s) return s;
    if (Status s = BuildIngest(); !s) return s;
    StartPipeline();
    return common::Ok();
  }

  Status StartAdmin() {
    common::metrics::Gauge(registry_, "build_info", "1; the version is a label.",
                           {{"version", GW_VERSION}})
        .Set(1);
    health_.AddCheck([this]() -> std::optional<std::string> {
      const observe::StorageWatch* watch = storage_source_.load();
      return watch == nullptr ? std::nullopt : watch->Problem();
    });
    health_.AddCheck([this]() -> std::optional<std::string> {
      const observe::MemoryWatch* watch = memory_source_.load();
      if (watch == nullptr || !watch->Over()) return std::nullopt;
      return "the process takes more memory than it may (ingest.max_process_memory)";
    });
    health_.AddCheck([this]() -> std::optional<std::string> {
      if (!waits_for_space_.load()) return std::nullopt;
      return "the disk is full, and the store cannot be opened";
    });
    admin_service_.emplace(health_, [this] { return CollectMetrics(); });
    auto server = common::net::HttpServer::Listen({&admin_.context()},
                                                  AdminServerOptions(config_.admin, config_.ingest),
                                                  *admin_service_, nullptr);
    if (!server) return Named("admin.listen", server.error());
    admin_server_ = std::move(*server);
    admin_server_->Start();
    admin_.Start();
    LogListening("admin", config_.admin.listen, admin_server_->port());
    return common::Ok();
  }

  /// On the admin thread.
  std::vector<prometheus::MetricFamily> CollectMetrics() {
    queue::RocksQueue* source = ledger_source_.load();
    if (source != nullptr) source->UpdateMetrics();
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    if (source != nullptr) {
      std::ranges::move(observe::LedgerMetrics(source->Logs(), clock_.Wall()),
                        std::back_inserter(families));
    }
    return families;
  }

  /// A disk that is full when the process starts is waited for, as one that gets full later is: to
  /// end would only mean to be started again and again.
  Status OpenStore() {
    while (true) {
      auto queue = queue::RocksQueue::Open(ToQueueOptions(config_), clock_, registry_);
      if (queue) {
        queue_ = std::move(*queue);
        waits_for_space_.store(false);
        return common::Ok();
      }
      if (queue.error().code != common::ErrorCode::kNoSpace) {
        return Named("storage.path", queue.error());
      }
      if (!waits_for_space_.exchange(true)) {
        common::log::Error("storage_full", "the disk is full; waiting for space to start",
                           {{"reason", queue.error().message}});
      }
      if (signals_->WaitForStop(config_.storage.retry_interval)) {
        return common::Fail(common::ErrorCode::kCancelled, "stopped before the start was over");
      }
    }
  }

  Status OpenQueue() {
    if (Status opened = OpenStore(); !opened) return opened;
    storage_watch_.emplace(
        config_.storage.path, queue::kLockFile, config_.storage.min_free_disk,
        [this]() -> std::optional<std::string> {
          const queue::QueueHealth health = queue_->health();
          if (health.ok) return std::nullopt;
          return health.reason;
        },
        registry_);
    storage_watch_->Check();
    const std::uint64_t most = config_.ingest.max_process_memory;
    memory_watch_.emplace(
        most != 0 ? most : observe::ContainerMemoryMark("/sys/fs/cgroup").value_or(0), registry_);
    memory_source_.store(&*memory_watch_);
    storage_source_.store(&*storage_watch_);
    return common::Ok();
  }

  Status BuildTenants() {
    std::vector<control::TenantSpec> specs = ToTenantSpecs(config_);
    std::vector<std::string_view> ids;
    ids.reserve(specs.size());
    for (const control::TenantSpec& spec : specs) ids.push_back(spec.id);
    if (Status opened = queue_->OpenLogs(ids); !opened) return opened;
    auto snapshot =
        control::BuildSnapshot(std::move(specs), ToServiceKeys(config_),
                               [this](std::string_view id) -> common::Result<pipeline::LogId> {
                                 auto state = queue_->OpenLog(id);
                                 if (!state) return tl::unexpected(state.error());
                                 return state->log;
                               });
    if (!snapshot) return tl::unexpected(snapshot.error());
    tenants_.emplace(std::move(*snapshot));
    return common::Ok();
  }

  Status BuildDelivery() {
    auto transport = deliver::HttpsTransport::Create(delivery_.context(), clock_,
                                                     ToTransportOptions(config_, registry_));
    if (!transport) return Named("segment.ca_file", transport.error());
    transport_ = std::move(*transport);
    pump_alarm_.emplace(delivery_.context());
    deliver::PumpOptions options = ToPumpOptions(config_);
    // An event that expires is written once more; what is left of the disk is for deliveries.
    options.may_expire = [this] { return !storage_watch_->Problem(); };
    pump_.emplace(
        std::move(options), clock_, pump_random_, *queue_, *transport_, *tenants_,
        [this](std::function<void()> f) { boost::asio::post(delivery_.context(), std::move(f)); },
        [this](common::SteadyTime at) { SetPumpAlarm(at); }, registry_);
    return common::Ok();
  }

  Status BuildIngest() {
    admission_.emplace(config_.ingest.max_in_flight_bytes, [this] { return IngestProblem(); });
    ingest_service_.emplace(ToIngestOptions(config_.ingest), clock_, *tenants_, *queue_,
                            *admission_, registry_);
    if (!config_.ingest.tls.certificate.empty()) {
      auto tls = common::net::ServerCertificate::Load(config_.ingest.tls.certificate,
                                                      config_.ingest.tls.key, clock_);
      if (!tls) return Named("ingest.tls", tls.error());
      ingest_tls_ = std::move(*tls);
      certificate_watch_.emplace(*ingest_tls_, registry_);
    }
    std::vector<boost::asio::io_context*> contexts;
    for (std::size_t i = 0; i < IngestThreads(config_.ingest); ++i) {
      ingest_.push_back(std::make_unique<IoThread>(fmt::format("ingest-{}", i)));
      contexts.push_back(&ingest_.back()->context());
    }
    common::net::ServerOptions options = IngestServerOptions(config_.ingest);
    options.max_connections = client_connections_;
    auto server = common::net::HttpServer::Listen(contexts, std::move(options), *ingest_service_,
                                                  ingest_tls_.get());
    if (!server) return Named("ingest.listen", server.error());
    ingest_server_ = std::move(*server);
    ingest_connections_ =
        &common::metrics::Gauge(registry_, "ingest_connections", "Open client connections.");
    return common::Ok();
  }

  /// Why no request can be taken right now; asked for each one. What exactly is wrong is for
  /// the operator: /readyz and the log say it.
  std::optional<ingest::Admission::Refusal> IngestProblem() const {
    using ingest::Admission;
    if (storage_watch_->Problem()) {
      return Admission::Refusal{"storage_unavailable", "disk",
                                "events cannot be stored right now; send the request again"};
    }
    if (queue_->Full()) {
      return Admission::Refusal{"overloaded", "queue",
                                "too many events wait for the disk; send the request again"};
    }
    if (memory_watch_->Over()) {
      return Admission::Refusal{"overloaded", "memory",
                                "the gateway is short of memory; send the request again"};
    }
    return std::nullopt;
  }

  /// Everything is built and bound: now the threads, the consumer before the producer.
  void StartPipeline() {
    const std::vector<pipeline::LogState> logs = queue_->Logs();
    std::uint64_t pending = 0;
    for (const pipeline::LogState& log : logs) pending += log.pending();
    ledger_source_.store(queue_.get());
    queue_->SetCommitListener([this](const std::vector<pipeline::Committed>& commits) {
      boost::asio::post(delivery_.context(), [this, commits] { pump_->OnCommitted(commits); });
    });
    committer_.emplace("committer", [this] { queue_->RunCommitter(); });
    reader_.emplace("reader", [this] { queue_->RunReader(); });
    delivery_.Start();
    boost::asio::post(delivery_.context(), [this, logs] { pump_->Start(logs); });
    for (const auto& thread : ingest_) thread->Start();
    ingest_server_->Start();
    boost::asio::post(admin_.context(), [this] {
      signals_->OnHangUp([this] { CheckCertificate(); });
      Housekeep();
    });
    LogListening("ingest", config_.ingest.listen, ingest_server_->port());
    StartControl();
    health_.SetStarted();
    common::log::Info("ready", "the gateway takes events",
                      {{"version", GW_VERSION},
                       {"tenants", tenants_->Current()->tenants().size()},
                       {"pending_events", pending}});
  }

  /// A gateway without it does all but take commands: that is said, and no reason not to start.
  void StartControl() {
    backups_.emplace(*queue_, registry_);
    const config::Storage& storage = config_.storage;
    holds_.emplace(*queue_,
                   HoldService::Limits{.at_once = kHoldsAtOnce,
                                       .longest = kLongestHold,
                                       .least_free = storage.min_free_disk + storage.max_wal});
    auto control = ControlServer::Listen(
        admin_.context(), config_.storage.path,
        [this](const std::string& request, std::shared_ptr<ControlCall> call) {
          if (request == HoldRequest()) return holds_->Handle(std::move(call));
          backups_->Handle(request, std::move(call));
        },
        kControlLimits);
    if (control) {
      control_ = std::move(*control);
      return;
    }
    common::log::Warning(
        "control_socket_failed",
        "no backup can be made while the gateway runs, and looks at the store may fail: its "
        "socket cannot be made",
        {{"error", control.error().message}});
  }

  /// In the order of the data: no new requests, answers for those in hand, no new batches,
  /// answers for those in flight, then the last commit. What is not done by the deadline is
  /// cut off; everything acknowledged is on disk since long, and goes out after the restart.
  void Stop() {
    const Deadline deadline = std::chrono::steady_clock::now() + config_.shutdown.deadline;
    common::log::Info("stopping", "finishing what is in hand",
                      {{"deadline_seconds", config_.shutdown.deadline}});
    health_.SetDraining();
    backups_->Stop();
    holds_->Stop();
    admission_->StartDraining();
    StopIngest(deadline);
    StopDelivery(deadline);
    // A disk that hangs must not turn the stop into a wait for the supervisor's patience.
    ExitAtTheLatestIn(kCloseSeconds, 1);
    queue_->Stop();
    StopThreads();
    control_.reset();
    pump_.reset();
    queue_.reset();
    common::log::Info("stopped", "every acknowledged event is delivered or on disk");
  }

  void StopIngest(Deadline deadline) {
    auto empty = std::make_shared<std::promise<void>>();
    auto stopped = empty->get_future();
    ingest_server_->Stop([empty] { empty->set_value(); });
    if (stopped.wait_until(deadline) == std::future_status::ready) return;
    common::log::Warning("stop_deadline", "client connections are cut off at the deadline",
                         {{"connections", ingest_server_->stats().connections.load()}});
    ingest_server_->Abort();
    stopped.wait_for(kAbortGrace);
  }

  void StopDelivery(Deadline deadline) {
    auto idle = std::make_shared<std::promise<void>>();
    auto stopped = idle->get_future();
    boost::asio::post(delivery_.context(),
                      [this, idle] { pump_->Stop([idle] { idle->set_value(); }); });
    const bool in_time = stopped.wait_until(deadline) == std::future_status::ready;
    if (!in_time) {
      common::log::Warning("stop_deadline",
                           "batches in flight are cut off at the deadline and "
                           "sent again after the restart");
    }
    boost::asio::post(delivery_.context(), [this] { transport_->Shutdown(); });
    if (!in_time) stopped.wait_for(kAbortGrace);
  }

  /// Also after a start that failed half-way. The order matters: nobody may call into
  /// something whose thread has ended and expect an answer.
  void StopThreads() {
    if (backups_) backups_->Stop();
    if (holds_) holds_->Stop();
    for (const auto& thread : ingest_) thread->Stop();
    delivery_.Stop();
    if (queue_ != nullptr) queue_->Stop();
    committer_.reset();
    reader_.reset();
    admin_.Stop();
    backups_.reset();
    holds_.reset();
  }

  void SetPumpAlarm(common::SteadyTime at) {
    pump_alarm_->expires_at(std::chrono::time_point_cast<std::chrono::steady_clock::duration>(at));
    pump_alarm_->async_wait([this](boost::system::error_code error) {
      if (!error) pump_->Turn();
    });
  }

  void Housekeep() {
    storage_watch_->Check();
    memory_watch_->Check();
    if (storage_watch_->Problem()) ReclaimSpace();
    // A directory that cannot be written could not be opened again: better to stay, and refuse.
    const queue::QueueHealth health = queue_->health();
    if (health.needs_restart && queue_->CanOpenAgain()) {
      // Whoever runs the process starts it again; what was acknowledged is on disk.
      common::log::Error("storage_needs_restart",
                         "the store cannot mend itself in this process; stopping",
                         {{"reason", health.reason}});
      failed_.store(true);
      return signals_->RequestStop();
    }
    ingest_connections_->Set(static_cast<double>(ingest_server_->stats().connections.load()));
    if (housekeepings_ % kCertificateChecks == 0) CheckCertificate();
    if (++housekeepings_ % kTailSaves == 0) queue_->SaveTails();
    housekeeping_.expires_after(kHousekeepingInterval);
    housekeeping_.async_wait([this](boost::system::error_code error) {
      if (!error) Housekeep();
    });
  }

  void CheckCertificate() {
    if (certificate_watch_) certificate_watch_->Check();
  }

  void ReclaimSpace() {
    if (const Status reclaimed = queue_->ReclaimSpace(); !reclaimed) {
      common::log::Warning("reclaim_failed", "cannot give back the space of settled events",
                           {{"error", reclaimed.error().message}});
    }
  }

  static Status Named(const char* setting, const common::Error& error) {
    return common::Fail(error.code, fmt::format("{}: {}", setting, error.message));
  }

  // Destroyed in reverse order, after StopThreads.
  const config::Config& config_;
  const common::SystemClock clock_;
  prometheus::Registry registry_;
  common::FastRandom pump_random_;
  observe::Health health_;
  std::unique_ptr<queue::RocksQueue> queue_;
  std::optional<observe::StorageWatch> storage_watch_;
  std::optional<observe::MemoryWatch> memory_watch_;
  std::optional<control::CurrentTenants> tenants_;
  std::optional<ingest::Admission> admission_;
  std::optional<ingest::IngestService> ingest_service_;
  std::unique_ptr<common::net::ServerCertificate> ingest_tls_;
  std::optional<observe::CertificateWatch> certificate_watch_;
  std::optional<observe::AdminService> admin_service_;

  IoThread admin_{"admin"};
  IoThread delivery_{"delivery"};
  std::vector<std::unique_ptr<IoThread>> ingest_;
  std::optional<Signals> signals_;
  std::size_t client_connections_ = 0;
  std::atomic<bool> failed_{false};
  std::atomic<bool> waits_for_space_{false};
  std::uint64_t housekeepings_ = 0;
  // What the admin thread, which runs from the start on, may already look at.
  std::atomic<const observe::StorageWatch*> storage_source_{nullptr};
  std::atomic<const observe::MemoryWatch*> memory_source_{nullptr};
  std::atomic<queue::RocksQueue*> ledger_source_{nullptr};
  boost::asio::steady_timer housekeeping_;
  std::unique_ptr<common::net::HttpServer> admin_server_;
  std::unique_ptr<common::net::HttpServer> ingest_server_;
  prometheus::Gauge* ingest_connections_ = nullptr;
  std::unique_ptr<deliver::HttpsTransport> transport_;
  std::optional<boost::asio::steady_timer> pump_alarm_;
  std::optional<deliver::Pump> pump_;
  std::optional<common::Thread> committer_;
  std::optional<common::Thread> reader_;
  std::optional<BackupService> backups_;
  std::optional<HoldService> holds_;
  std::unique_ptr<ControlServer> control_;
};

int RunGateway(const config::Config& config) { return Application(config).Run(); }

}  // namespace gateway::app
