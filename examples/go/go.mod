module unigate.example/client

go 1.19
