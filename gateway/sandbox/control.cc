// SPDX-License-Identifier: Apache-2.0
#include "gateway/sandbox/control.h"

#include <utility>

#include "common/strings.h"

namespace gateway::sandbox {
namespace {

using common::net::Responder;
using common::net::Response;

constexpr std::string_view kPrefix = "/sandbox";

constexpr std::string_view kHelp =
    R"(A stand-in for Segment's Tracking API. For tests only: no authentication here, and
write keys are shown in full.

Send as to Segment:  POST /v1/{track,identify,group,page,screen,alias,batch,import}

What has come (one JSON object a line; after=N asks for what follows number N):
  GET    /sandbox/events     events in the order of arrival, each with the verdict that
                             Segment would have reached silently. Parameters: write_key,
                             type, verdict, message_id, user_id, after, limit;
                             follow=1 waits for news, up to wait=10000 milliseconds
  GET    /sandbox/requests   requests with status, counts and headers of interest.
                             Parameters: write_key, status, after, limit, follow, wait
  GET    /sandbox/stats      counters per write key and in total
  DELETE /sandbox/events     forget events, requests and counters

What goes wrong (the first rule that matches a request applies):
  GET    /sandbox/faults     the rules, and how often each was applied
  PUT    /sandbox/faults     an object adds a rule, or replaces that of the same "id";
                             an array replaces all rules
  DELETE /sandbox/faults     all rules; ?id=ID only that one

A rule:  {"id":"busy", "write_key":"*", "message_id":"m-1",
          "status":503, "retry_after":"7", "body":"...",     or
          "hang":true,                                       or
          "reset":"before_body" | "after_body",              or
          "drop_response":true,         (takes the events, then resets)
          "latency_ms":200, "latency_jitter_ms":50,
          "probability":0.3, "count":5}

  curl -X PUT  http://HOST/sandbox/faults -d '{"status":503,"retry_after":"1","count":3}'
  curl 'http://HOST/sandbox/events?verdict=accepted&follow=1&after=0'
)";

Response Text(std::string_view body) {
  return Response{
      .body = std::string(body), .content_type = "text/plain; charset=utf-8", .headers = {}};
}

Response Json(std::string body) { return Response{.body = std::move(body), .headers = {}}; }

Response WrongMethod(const char* allowed) {
  Response response =
      ControlError(405, "method_not_allowed", std::string("this path takes ") + allowed);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

Response Lines(Page page) {
  Response response{
      .body = std::move(page.lines), .content_type = "application/x-ndjson", .headers = {}};
  response.headers.emplace_back("X-Sandbox-Next-After", std::to_string(page.next_after));
  response.headers.emplace_back("X-Sandbox-More", page.more ? "true" : "false");
  response.headers.emplace_back("X-Sandbox-Missed", std::to_string(page.missed));
  return response;
}

}  // namespace

Response ControlError(int status, std::string_view code, std::string_view message) {
  Response response{.status = status, .body = R"({"error":{"code":)", .headers = {}};
  common::AppendJsonString(response.body, code);
  response.body += R"(,"message":)";
  common::AppendJsonString(response.body, message);
  response.body += "}}\n";
  return response;
}

bool Control::Owns(std::string_view path) {
  return path.substr(0, kPrefix.size()) == kPrefix &&
         (path.size() == kPrefix.size() || path[kPrefix.size()] == '/');
}

void Control::Handle(std::string_view method, std::string_view path, std::string_view query,
                     const std::string& body, Responder respond) {
  path.remove_prefix(kPrefix.size());
  if (path.empty() || path == "/") return respond(Text(kHelp));
  if (path == "/faults") return respond(Faults(method, query, body));
  if (path == "/events" && method == "DELETE") {
    store_.Clear();
    return respond(Json("{\"result\":\"cleared\"}\n"));
  }
  if (path != "/events" && path != "/requests" && path != "/stats") {
    return respond(
        ControlError(404, "not_found", "no such path; GET /sandbox/ lists what there is"));
  }
  if (method != "GET") return respond(WrongMethod(path == "/events" ? "GET, DELETE" : "GET"));
  if (path == "/stats") return respond(Json(store_.Stats()));
  List(query, path == "/events" ? &Store::Events : &Store::Requests, std::move(respond));
}

void Control::List(std::string_view query, ListFunction list, Responder respond) {
  if (discards_) {
    return respond(ControlError(409, "nothing_kept",
                                "the sandbox was started with --discard and keeps counters "
                                "only; see GET /sandbox/stats"));
  }
  const auto filter = ParseFilter(query);
  if (!filter) return respond(ControlError(400, "invalid_argument", filter.error().message));
  if (!filter->follow) return respond(Lines((store_.*list)(*filter)));
  held_.Watch(std::move(respond), std::chrono::milliseconds(filter->wait_ms),
              [this, list, filter = *filter](bool expired) -> std::optional<Response> {
                Page page = (store_.*list)(filter);
                if (page.lines.empty() && !expired) return std::nullopt;
                return Lines(std::move(page));
              });
}

Response Control::Faults(std::string_view method, std::string_view query, const std::string& body) {
  const auto render = [this] {
    return Json(faults_.With([](FaultState& state) { return state.engine.Render(); }));
  };
  if (method == "GET") return render();
  if (method == "PUT") {
    auto update = ParseFaultUpdate(body);
    if (!update) return ControlError(400, "invalid_argument", update.error().message);
    faults_.With([&](FaultState& state) { state.engine.Apply(*std::move(update)); });
    return render();
  }
  if (method != "DELETE") return WrongMethod("GET, PUT, DELETE");
  if (query.empty()) {
    faults_.With([](FaultState& state) { state.engine.Clear(); });
    return render();
  }
  if (query.substr(0, 3) != "id=") {
    return ControlError(400, "invalid_argument", "the only parameter is id");
  }
  const std::string id = PercentDecode(query.substr(3));
  if (!faults_.With([&](FaultState& state) { return state.engine.Remove(id); })) {
    return ControlError(404, "not_found", "no fault has the id '" + id + "'");
  }
  return render();
}

}  // namespace gateway::sandbox
