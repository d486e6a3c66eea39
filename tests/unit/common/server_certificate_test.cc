// SPDX-License-Identifier: Apache-2.0
//
// A listener's certificate that is replaced while it runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/net/tls_server.h"
#include "tests/unit/common/http_server_fixture.h"
#include "tests/unit/common/tls_client.h"

namespace common::net {
namespace {

namespace fs = std::filesystem;
using tests::Certificate;
using Validity = tests::TlsAuthority::Validity;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ServerCertificateTest : public testing::Test {
 protected:
  /// What a new connection is shown.
  std::string Shown() {
    TlsClient client(server_.port());
    return client.Handshake() ? client.PeerCertificate() : "no handshake";
  }

  const CertificateFiles files_;
  const std::unique_ptr<ServerCertificate> certificate_ = std::move(files_.Load().value());
  FakeService service_;
  RunningServer server_{service_, TestOptions(), certificate_.get()};
};

TEST_F(ServerCertificateTest, NewConnectionsGetTheNewPairAndOpenOnesGoOn) {
  TlsClient open(server_.port());
  ASSERT_TRUE(open.Handshake());
  const std::string first = open.PeerCertificate();

  const Certificate next = files_.Issue();
  files_.Write(next);
  EXPECT_EQ(Shown(), first) << "nothing happens before somebody checks";
  certificate_->Check();
  EXPECT_EQ(Shown(), next.certificate);
  EXPECT_EQ(certificate_->state().reloads, 1U);
  EXPECT_EQ(certificate_->state().problem, "");

  ASSERT_TRUE(open.Send(Post("/", "still here")));
  EXPECT_THAT(open.ReadUntil("still here"), HasSubstr("200"));
}

TEST_F(ServerCertificateTest, UnchangedFilesAreLeftAlone) {
  const auto context = certificate_->Current();
  certificate_->Check();
  fs::last_write_time(files_.certificate(), fs::file_time_type::clock::now());
  certificate_->Check();
  EXPECT_EQ(certificate_->Current(), context);
  EXPECT_EQ(certificate_->state().reloads, 0U);
}

TEST_F(ServerCertificateTest, AReplacementWithTheSameDateIsSeen) {
  const auto written = fs::last_write_time(files_.certificate());
  const Certificate next = files_.Issue();
  files_.Write(next);
  fs::last_write_time(files_.certificate(), written);
  fs::last_write_time(files_.key(), written);
  certificate_->Check();
  EXPECT_EQ(Shown(), next.certificate);
}

TEST_F(ServerCertificateTest, ASwappedLinkIsSeen) {
  // As Kubernetes mounts a secret: tls.crt -> ..data/tls.crt, ..data -> a dated folder.
  const fs::path root = files_.dir().path();
  const auto publish = [&](const std::string& folder, const Certificate& pair) {
    fs::create_directory(root / folder);
    CertificateFiles::WriteFile((root / folder / "tls.crt").string(), pair.certificate);
    CertificateFiles::WriteFile((root / folder / "tls.key").string(), pair.key);
    fs::create_directory_symlink(folder, root / "..data_tmp");
    fs::rename(root / "..data_tmp", root / "..data");
  };
  publish("..1", files_.Issue());
  for (const std::string& file : {files_.certificate(), files_.key()}) {
    fs::remove(file);
    fs::create_symlink(fs::path("..data") / fs::path(file).filename(), file);
  }
  certificate_->Check();
  ASSERT_EQ(certificate_->state().problem, "");
  const Certificate next = files_.Issue();
  publish("..2", next);
  certificate_->Check();
  EXPECT_EQ(Shown(), next.certificate);
}

TEST_F(ServerCertificateTest, ABadPairIsRefusedAndTheOldOneStays) {
  const std::string good = Shown();
  const Certificate one = files_.Issue();
  const Certificate other = files_.Issue();
  const std::string half = one.certificate.substr(0, one.certificate.size() / 2);
  const struct {
    std::string certificate;
    std::string key;
    std::string_view problem;
  } cases[] = {
      {one.certificate, other.key, "key values mismatch"},
      {half, one.key, "certificate "},
      {one.certificate + half, one.key, "certificate "},
      {"", one.key, "the file is empty"},
      {one.certificate, "", "the file is empty"},
      {one.certificate, one.key.substr(0, one.key.size() - 40), "private key "},
      {"no certificate", one.key, "certificate "},
      {one.key, one.certificate, "certificate "},
  };
  for (const auto& [certificate, key, problem] : cases) {
    files_.Write({certificate, key});
    certificate_->Check();
    EXPECT_THAT(certificate_->state().problem, HasSubstr(std::string(problem)));
    EXPECT_THAT(certificate_->state().problem, Not(HasSubstr("BEGIN")));
    EXPECT_EQ(Shown(), good);
  }
  fs::remove(files_.key());
  certificate_->Check();
  EXPECT_THAT(certificate_->state().problem, HasSubstr("No such file"));
  EXPECT_EQ(Shown(), good);

  files_.Write(one);
  certificate_->Check();
  EXPECT_EQ(certificate_->state().problem, "");
  EXPECT_EQ(certificate_->state().reloads, 1U);
  EXPECT_EQ(Shown(), one.certificate);
}

TEST_F(ServerCertificateTest, APairWrittenInPiecesIsTakenUpWhenItIsWhole) {
  const std::string first = Shown();
  const Certificate next = files_.Issue();
  files_.WriteCertificate(next.certificate.substr(0, 100));
  certificate_->Check();
  files_.WriteCertificate(next.certificate);
  certificate_->Check();
  EXPECT_NE(certificate_->state().problem, "") << "the key is still the old one's";
  EXPECT_EQ(Shown(), first);
  files_.WriteKey(next.key);
  certificate_->Check();
  EXPECT_EQ(certificate_->state().problem, "");
  EXPECT_EQ(Shown(), next.certificate);
}

TEST_F(ServerCertificateTest, GoingBackToThePairInUseEndsTheProblem) {
  const auto context = certificate_->Current();
  const Certificate one = files_.Issue();
  files_.Write(one);
  certificate_->Check();
  files_.WriteKey("broken");
  certificate_->Check();
  ASSERT_NE(certificate_->state().problem, "");
  files_.WriteKey(one.key);
  certificate_->Check();
  EXPECT_EQ(certificate_->state().problem, "");
  EXPECT_EQ(certificate_->state().reloads, 1U);
}

TEST_F(ServerCertificateTest, TellsWhoseItIsAndWhenItExpires) {
  const auto now = SystemClock().Wall();
  const ServerCertificate::State first = certificate_->state();
  EXPECT_THAT(first.subject, StartsWith("CN=A server "));
  EXPECT_GT(first.not_after, now);
  EXPECT_LT(first.not_after, now + std::chrono::hours(25));

  files_.Write(files_.Issue(Validity::kExpired));
  certificate_->Check();
  const ServerCertificate::State expired = certificate_->state();
  EXPECT_EQ(expired.problem, "");
  EXPECT_LT(expired.not_after, now);
  EXPECT_NE(expired.subject, first.subject);
}

TEST_F(ServerCertificateTest, ASessionIsResumedButNotAcrossAReload) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto connect = [&](TlsClient& client) {
      ASSERT_TRUE(client.Handshake());
      ASSERT_TRUE(client.Send(Post("/", "done")));
      ASSERT_THAT(client.ReadUntil("done"), HasSubstr("200"));
    };
    TlsClient first(server_.port(), nullptr, version);
    connect(first);
    TlsClient second(server_.port(), first.session().get(), version);
    connect(second);
    EXPECT_TRUE(second.resumed()) << version;

    const Certificate next = files_.Issue();
    files_.Write(next);
    certificate_->Check();
    TlsClient third(server_.port(), second.session().get(), version);
    connect(third);
    EXPECT_FALSE(third.resumed()) << version;
    EXPECT_EQ(third.PeerCertificate(), next.certificate);
    TlsClient fourth(server_.port(), third.session().get(), version);
    connect(fourth);
    EXPECT_TRUE(fourth.resumed()) << version;
  }
}

TEST_F(ServerCertificateTest, IsReplacedWhileClientsConnect) {
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  std::atomic<int> running{2};
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      for (int n = 0; n < 25; ++n) {
        TlsClient client(server_.port());
        if (client.Handshake() && client.Send(Post("/", "done")) &&
            client.ReadUntil("done").ends_with("done")) {
          good.fetch_add(1);
        }
      }
      running.fetch_sub(1);
    });
  }
  while (running.load() > 0) {
    files_.Write(files_.Issue());
    certificate_->Check();
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good.load(), 50);
  EXPECT_GT(certificate_->state().reloads, 0U);
}

TEST(ServerCertificateLoad, NamesTheFileThatCannotBeUsed) {
  const CertificateFiles files;
  const SystemClock clock;
  const auto absent = ServerCertificate::Load(files.dir() / "absent", files.key(), clock);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(absent.error().message, HasSubstr("absent: No such file"));
  const auto folder = ServerCertificate::Load(files.certificate(), files.dir().path(), clock);
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, HasSubstr("Is a directory"));
  files.WriteKey(files.Issue().key);
  const auto mismatch = files.Load();
  ASSERT_FALSE(mismatch);
  EXPECT_THAT(mismatch.error().message, HasSubstr("tls.key: "));
}

/// `passphrase`: encrypts it.
std::string PemOf(const EVP_PKEY& key, const char* passphrase = nullptr) {
  const Owned<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), &key, passphrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                           nullptr, 0, nullptr, const_cast<char*>(passphrase));
  std::string pem(BIO_ctrl_pending(bio.get()), '\0');
  BIO_read(bio.get(), pem.data(), static_cast<int>(pem.size()));
  return pem;
}

TEST(ServerCertificateLoad, RefusesAKeyOfAnotherKind) {
  const CertificateFiles files;
  files.WriteKey(PemOf(*Owned<EVP_PKEY, EVP_PKEY_free>(EVP_RSA_gen(2048))));
  const auto mismatch = files.Load();
  ASSERT_FALSE(mismatch);
  EXPECT_THAT(mismatch.error().message, HasSubstr("it is of another kind than "));
}

TEST(ServerCertificateLoad, RefusesAKeyWithAPassphraseWithoutAskingForIt) {
  const CertificateFiles files;
  files.WriteKey(PemOf(*Owned<EVP_PKEY, EVP_PKEY_free>(EVP_EC_gen("P-256")), "secret"));
  const auto locked = files.Load();
  ASSERT_FALSE(locked);
  EXPECT_THAT(locked.error().message, HasSubstr("without passphrase"));
}

TEST(ServerCertificateLoad, UsesTheFirstAlternativeNameWhenThereIsNoSubject) {
  const CertificateFiles files;
  files.Write(tests::TlsAuthority().IssueWithoutSubject("events.example.com"));
  const auto loaded = files.Load();
  ASSERT_TRUE(loaded);
  EXPECT_EQ((*loaded)->state().subject, "events.example.com");
}

}  // namespace
}  // namespace common::net
