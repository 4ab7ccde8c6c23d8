"""What nginx.py starts: gateways, and the nginx in front of them."""

import pathlib

STREAM = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")

CONFIG = """\
[server]
listen = "127.0.0.1:{public}"
drain_delay = "0s"
{server}
[admin]
listen = "127.0.0.1:{admin}"
[telemetry]
datadog_agent = ""
dogstatsd = ""
[clients]
{clients}
[downstream.echo]
url = "http://127.0.0.1:{echo}"
{pages}"""

PAGE = """\
[page.{name}]
path = "/{name}/{{id}}"
deadline = "5s"
cache_control = "{cache_control}"
forward_headers = ["accept-language", "authorization", "x-user"]
[page.{name}.part.echo]
downstream = "echo"
path = "/echo/{{id}}"
"""

NGINX = """\
load_module {stream};
user root;
daemon off;
pid {home}/pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/temp;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  proxy_cache_path {home}/cache keys_zone=pages:1m;
  proxy_cache_path {home}/careless keys_zone=careless:1m;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_next_upstream off;
  upstream kept {{
    server 127.0.0.1:{plain};
    keepalive 16;
    keepalive_timeout 120s;
  }}
  server {{
    listen 127.0.0.1:{forwarding};
    location / {{
      proxy_pass http://127.0.0.1:{forwarded};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
  server {{
    listen 127.0.0.1:{keeping};
    location / {{ proxy_pass http://kept; }}
  }}
  server {{
    listen 127.0.0.1:{caching};
    add_header X-Cache $upstream_cache_status always;
    location / {{ proxy_pass http://kept; proxy_cache pages; }}
  }}
  server {{
    listen 127.0.0.1:{careless};
    location / {{ proxy_pass http://kept; proxy_cache careless; proxy_ignore_headers Vary; }}
  }}
}}
stream {{
  server {{
    listen 127.0.0.1:{speaking};
    proxy_pass 127.0.0.1:{spoken};
    proxy_protocol on;
  }}
}}
"""


def behind(name: str, home: pathlib.Path, ports: dict[str, int], server: str, clients: str) -> pathlib.Path:
    """The file of a gateway whose page `open` caches may keep for everybody, and whose page `own` they may not."""
    pages = PAGE.format(name="open", cache_control="public, max-age=30") + PAGE.format(name="own", cache_control="private, no-cache")
    file = home / f"{name}.toml"
    file.write_text(CONFIG.format(
        public=ports[name], admin=ports[f"{name}-admin"], echo=ports["echo"], server=server, clients=clients, pages=pages,
    ))
    return file


def in_front(home: pathlib.Path, ports: dict[str, int]) -> pathlib.Path:
    """The file of nginx; everything it writes is in `home`."""
    file = home / "nginx.conf"
    file.write_text(NGINX.format(stream=STREAM, home=home, **ports))
    return file
