// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "common/net/http_server.h"

namespace common::net {

/// What a request looked like when its body was in.
struct Seen {
  std::string method;
  std::string path;
  std::string query;
  std::string body;
  bool padded = false;  ///< The body had the promised room behind it.
};

/// An HttpService whose behaviour a test sets before the server starts; without, it
/// echoes the body. Records every request. Thread-safe once started.
class FakeService final : public HttpService {
 public:
  using OnHead = std::function<std::variant<ReadBody, Response>(const RequestHead&)>;
  using OnBody = std::function<void(const RequestHead&, std::string, Responder)>;

  OnHead on_head = [](const RequestHead&) { return ReadBody{1024 * 1024}; };
  OnBody on_body = [](const RequestHead&, std::string body, Responder respond) {
    respond(Response{.body = std::move(body), .content_type = "text/plain", .headers = {}});
  };

  std::unique_ptr<HttpExchange> NewExchange() override { return std::make_unique<Exchange>(*this); }
  std::vector<Seen> seen() const {
    const std::scoped_lock lock(mutex_);
    return seen_;
  }

 private:
  class Exchange final : public HttpExchange {
   public:
    explicit Exchange(FakeService& service) : service_(service) {}
    std::variant<ReadBody, Response> OnHead(const RequestHead& head) override {
      head_ = &head;
      return service_.on_head(head);
    }
    void OnBody(std::string body, Responder respond) override {
      {
        const std::scoped_lock lock(service_.mutex_);
        service_.seen_.push_back({std::string(head_->method), std::string(head_->path),
                                  std::string(head_->query), body,
                                  body.capacity() >= body.size() + kBodyPadding});
      }
      service_.on_body(*head_, std::move(body), std::move(respond));
    }
    Response OnProtocolError(int status, std::string_view why) override {
      return Response{.status = status,
                      .body = "protocol error: " + std::string(why),
                      .content_type = "text/plain",
                      .headers = {}};
    }

   private:
    FakeService& service_;
    const RequestHead* head_ = nullptr;
  };

  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

inline ServerOptions TestOptions() {
  return {.address = "127.0.0.1",
          .port = 0,
          .max_connections = 100,
          .max_header_bytes = 8192,
          .idle_timeout = std::chrono::seconds(60),
          .header_timeout = std::chrono::seconds(60),
          .body_timeout = std::chrono::seconds(60),
          .write_timeout = std::chrono::seconds(60),
          .drain_bytes = 64 * 1024};
}

/// A started server on a free port, with two io threads.
class RunningServer {
 public:
  explicit RunningServer(FakeService& service, ServerOptions options = TestOptions(),
                         const ServerCertificate* tls = nullptr) {
    std::vector<boost::asio::io_context*> contexts;
    for (int i = 0; i < 2; ++i) {
      contexts_.push_back(std::make_unique<boost::asio::io_context>(1));
      contexts.push_back(contexts_.back().get());
      guards_.emplace_back(contexts_.back()->get_executor());
    }
    server_ = std::move(HttpServer::Listen(contexts, std::move(options), service, tls).value());
    server_->Start();
    for (const auto& context : contexts_) {
      threads_.emplace_back([io = context.get()] { io->run(); });
    }
  }
  ~RunningServer() {
    if (!stop_called_) Stop();
    server_->Abort();
    stopped_.get_future().wait();
    guards_.clear();
    for (const auto& context : contexts_) context->stop();
    for (std::thread& thread : threads_) thread.join();
  }

  void Stop() {
    stop_called_ = true;
    server_->Stop([this] {
      done_.store(true);
      stopped_.set_value();
    });
  }
  bool stopped() const { return done_.load(); }
  HttpServer& operator*() { return *server_; }
  HttpServer* operator->() { return server_.get(); }
  std::uint16_t port() const { return server_->port(); }

 private:
  using Guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

  std::vector<std::unique_ptr<boost::asio::io_context>> contexts_;
  std::vector<Guard> guards_;
  std::unique_ptr<HttpServer> server_;
  std::vector<std::thread> threads_;
  std::promise<void> stopped_;
  std::atomic<bool> done_{false};
  bool stop_called_ = false;
};

/// Polls until `condition` holds; false after 20 s.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

inline std::string Get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n";
}

inline std::string Post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

}  // namespace common::net
